"""What the fork server may know, and which tasks cannot be forked from it."""

from __future__ import annotations

import pytest

from automation.executor.fork_client import needs_own_interpreter, server_environment

ENV = {
    "PATH": "/bin",
    "HOME": "/home/operator",
    "LANG": "C.UTF-8",
    "LC_TIME": "C",
    "TZ": "UTC",
    "TMPDIR": "/tmp/x",
    "PYTHONUNBUFFERED": "1",
    "PYTHONPATH": "/srv",
    "PYTHON_API_TOKEN": "secret",
    "TELEGRAM_BOT_TOKEN_DEFAULT": "1:secret",
    "PROVIDER_URL_MAINNET": "https://x/secret",
    "CACHE_DIR": "/srv/cache",
}


def test_the_server_gets_what_python_needs_and_no_secret() -> None:
    assert set(server_environment([ENV])) == {"PATH", "HOME", "LANG", "LC_TIME", "TZ", "TMPDIR", "PYTHONUNBUFFERED"}


def test_the_server_starts_as_most_tasks_would() -> None:
    odd = ENV | {"PYTHONWARNINGS": "error"}
    assert server_environment([odd, ENV, ENV | {"CACHE_FILENAME": "x"}]) == server_environment([ENV])
    assert server_environment([]) == {}


@pytest.mark.parametrize(
    ("change", "own"),
    [
        ({}, False),
        (
            {"CACHE_FILENAME": "x", "PYTHONPATH": "/other", "TZ": "Asia/Tokyo", "TMPDIR": "/else", "PATH": "/usr/bin"},
            False,
        ),
        ({"PYTHONHASHSEED": "0"}, True),
        ({"PYTHONUNBUFFERED": ""}, True),
        ({"LC_ALL": "C"}, True),
        ({"LD_PRELOAD": "x.so"}, True),
        ({"HOME": "/elsewhere"}, True),
        ({"OPENSSL_CONF": "/x"}, True),
    ],
)
def test_a_task_whose_environment_acts_at_start_up_gets_its_own_interpreter(change: dict[str, str], own: bool) -> None:
    assert needs_own_interpreter(ENV | change, server_environment([ENV])) is own
