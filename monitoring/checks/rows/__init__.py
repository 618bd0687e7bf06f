"""Rows of `for_each`: what names mean in each, and the checks over those that only reading knows.

Tests: tests/unit/test_lists.py.
"""
