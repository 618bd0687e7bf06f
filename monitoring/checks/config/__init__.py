"""A monitor file becomes checks, or every mistake at once with its place.

A new key of monitor files belongs here. Nothing in this package reads a chain.
Tests: tests/data/monitors/bad (one file a mistake), tests/unit/test_checks_mistakes.py.
"""
