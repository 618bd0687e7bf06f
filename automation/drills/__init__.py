"""Drills of people: does a message at an unannounced time reach each of them, and how fast do they answer?

`plan` chooses when, `ask` stores the message, `step` asks and judges what is due, `answered` is a tap on the button.
Tests: tests/integration/test_people_drills.py.
"""
