"""Reads what people write to the bot: one process (`python -m automation listen`), long polling, no open port.

`loop` polls, `updates` reads what came, `access` decides who may, `dispatch` writes each update and its effect in one
transaction, `answers` sends what the effect asks for. `commands` only read; `buttons` act. `minutes` asks people about
incidents on which nobody acts. Without this process no buttons are sent, and everything else works.
Tests: tests/integration/test_listen_commands.py and tests/integration/test_listen*.py next to it.
"""
