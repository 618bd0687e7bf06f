"""A process goes on while the files it came from are replaced by another release: what it still loads or starts.

The sync waits for every run that holds the tree. These hold nothing: a scheduler, the web service, a run that says its
last words. What they find by then is the new tree, or after a revert the old one.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from monitoring.web import api, pages
from tests.support import release_before
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import PACKAGES, ROOT, Host, wait_until
from tests.support.web import Web, free_port

# A module that one process starts by its name, as argument of a command or in a unit.
STARTED = r'"-m", "([a-z_.]+)"|^ExecStart=.* -m ([a-z_.]+)'
SPEAK = """
import sys
from pathlib import Path
from {module} import speak
from {settings} import load_settings
settings = load_settings()
print("ready", flush=True)
sys.stdin.readline()
speak(OSError("Too many open files"), "hourly", Path("automation/jobs.yaml"), settings)
"""


def started_modules(files: Iterator[str]) -> set[str]:
    return {one or other for text in files for one, other in re.findall(STARTED, text, re.MULTILINE)}


def sources(tree: Path) -> Iterator[str]:
    for folder in ("automation", "monitoring", "utils", "deploy"):
        for path in sorted((tree / folder).rglob("*")):
            if path.suffix in {".py", ".sh", ".service", ".pth"}:
                yield path.read_text(encoding="utf-8")


@pytest.fixture(params=release_before.COMMITS, ids=release_before.name_of)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def newest(tmp_path: Path) -> Path:
    return release_before.extract(release_before.NEWEST, tmp_path / "newest")


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


def test_every_module_that_a_release_starts_by_name_is_still_here(tmp_path: Path, release: str) -> None:
    started = started_modules(sources(release_before.extract(release, tmp_path / "tree")))
    assert "automation.import_check" in started
    assert [name for name in started if find_spec(name) is None] == []


def test_after_a_revert_every_module_that_we_start_by_name_is_there(newest: Path) -> None:
    # `explain` and `record` start the first while a person waits for them; without the second, which a run starts once
    # an alert has arrived, there is one explanation less, and no alert.
    started = set(started_modules(sources(ROOT))) - {"utils.explain", "monitoring.explain"}
    files = {name: newest.joinpath(*name.split(".")) for name in started}
    assert "automation.last_words" in files
    assert [
        name
        for name, path in files.items()
        if not path.with_suffix(".py").exists() and not (path / "__main__.py").exists()
    ] == []


@pytest.mark.parametrize(
    ("module", "settings", "is_old_first"),
    [
        pytest.param("automation.last_words", "monitoring.settings", True, id="upgrade"),
        pytest.param("automation.runner.last_words", "monitoring.base.settings", False, id="revert"),
    ],
)
def test_a_run_that_cannot_go_on_says_so_whichever_tree_it_finds(
    tmp_path: Path, newest: Path, telegram: TelegramStandIn, *, module: str, settings: str, is_old_first: bool
) -> None:
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"})
    host.environ |= {
        "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }  # fmt: skip
    before, after = (newest, ROOT) if is_old_first else (ROOT, newest)
    release_before.put(before, host)
    process = subprocess.Popen(
        [sys.executable, "-c", SPEAK.format(module=module, settings=settings)],
        cwd=host.checkout, env=host.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    release_before.put(after, host)
    _, errors = process.communicate("now\n", timeout=60)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    (message,) = telegram.messages
    assert "hourly did not run: too few file descriptors" in message.text


@contextmanager
def scheduler(host: Host) -> Iterator[Callable[[], str]]:
    """Let `up` run; yields how to end it, which returns what it printed."""
    process = host.start("up")

    def end() -> str:
        process.send_signal(signal.SIGTERM)
        return process.communicate(timeout=60)[0]

    try:
        yield end
    finally:
        process.kill()
        process.communicate()


@pytest.mark.ci
@pytest.mark.timeout(240)
def test_a_scheduler_of_a_release_before_serves_the_next_ticks_from_this_tree(tmp_path: Path, release: str) -> None:
    host, port = Host(tmp_path), free_port()
    host.profile({"good": "print('fine')"}, cron="* * * * *")
    host.environ["MONITORING_API_PORT"] = str(port)
    release_before.put(release_before.extract(release, tmp_path / "old"), host)
    with scheduler(host) as end:
        web = Web(port, None, None)  # type: ignore[arg-type]
        wait_until(partial(answers, web), "the dashboard of the release before answers", limit_s=60)
        wait_until(lambda: 3 < time.time() % 60 < 50, "no run is starting, as none is while the sync holds the tree")
        release_before.put(ROOT, host)
        before = host.rows("SELECT count(*) FROM runs")
        wait_until(lambda: host.rows("SELECT count(*) FROM runs WHERE status = 'ok'") > before, "a tick", limit_s=130)
        assert web.ask("/v1/runs").status == 200
        output = end()
    assert "Traceback" not in output
    assert host.rows("SELECT DISTINCT trigger, status FROM runs") == [("embedded", "ok")]


def answers(web: Web) -> bool:
    try:
        return web.ask("/v1/alerts").status == 200
    except OSError:
        return False


def test_the_web_service_needs_no_file_of_its_tree_once_it_answers(tmp_path: Path) -> None:
    host, port = Host(tmp_path), free_port()
    host.profile({"good": "print('fine')"})
    host.automation("run", "hourly")
    host.environ["MONITORING_API_PORT"] = str(port)
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitoring.web"], cwd=host.checkout, env=host.environ, stdout=log, stderr=log
        )
    web = Web(port, process, tmp_path / "web.log")
    try:
        wait_until(partial(answers, web), "the service answers", limit_s=60)
        for package in PACKAGES:
            shutil.rmtree(host.checkout / package)
        paths = [route.path.replace("{id}", "1").replace("{name}", "hourly") for route in (*api.ROUTES, *pages.ROUTES)]
        statuses = {path: web.ask(path).status for path in (*paths, "/openapi.json")}
    finally:
        process.terminate()
        process.wait(30)
    assert {path: status for path, status in statuses.items() if status >= 500} == {}, web.log.read_text()
    assert statuses["/"] == statuses["/metrics"] == statuses["/v1/runs/1"] == statuses["/openapi.json"] == 200
