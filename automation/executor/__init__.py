"""Tasks as processes: order, attempts, deadlines, output, the warm fork.

How a task is started, limited and ended belongs here. Nothing in this package knows the database or a chat.
Tests: tests/integration/test_executor*.py, tests/unit/test_attempt.py, tests/unit/test_task_order.py.
"""
