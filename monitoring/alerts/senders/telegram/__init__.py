"""Telegram: text with entities, never a parse mode; what its answers mean.

Tests: tests/contract/test_telegram_sender.py, tests/unit/test_alert_telegram_text.py.
"""
