"""Reads what people write to the bot: one process (`python -m automation listen`), long polling, no open port.

`loop` polls, `updates` reads what came, `access` decides who may, `dispatch` writes each update and its effect in one
transaction, `answers` sends what the effect asks for. `commands` only read; `buttons` act, and `edits` keeps their
messages as the store has it. `minutes` asks people about incidents on which nobody acts. Without this process no
buttons are sent, and everything else works.
Tests: tests/integration/test_listen_commands.py, tests/integration/test_buttons.py and test_button_messages.py.
"""
