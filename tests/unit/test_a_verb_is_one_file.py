"""A verb is one file: put into the package of verbs, it is there in monitor files and in Python."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring.base.errors import ConfigError, UsageError
from monitoring.checks import rules
from monitoring.checks.config.load import load_monitor
from monitoring.checks.rules.verb import find_verb, verbs
from utils.monitor import Context, monitor
from utils.testing import SimChain, SimClock, run
from utils.verbs import Verbs

FILE = Path(__file__).parents[1] / "data" / "verbs" / "stuck.py"
A = "0x1111111111111111111111111111111111111111"
YAML = f"""
monitor: feed
chain: 1
contracts: {{a: "{A}"}}
checks: [{{id: round, stuck: a.totalSupply(), longer_than: 2h, severity: high}}]
"""


@pytest.fixture
def one_more(tmp_path: Path) -> Iterator[None]:
    """Put the file into the package, as far as Python's search is concerned."""
    (tmp_path / "verbs").mkdir()
    shutil.copy(FILE, tmp_path / "verbs" / "stuck.py")
    rules.__path__.append(str(tmp_path / "verbs"))
    try:
        forget()
        yield
    finally:
        rules.__path__.remove(str(tmp_path / "verbs"))
        sys.modules.pop("monitoring.checks.rules.stuck", None)
        forget()


def forget() -> None:
    find_verb.cache_clear()
    verbs.cache_clear()


@pytest.mark.usefixtures("one_more")
def test_a_monitor_file_uses_it(tmp_path: Path) -> None:
    path, clock = tmp_path / "monitor.yaml", SimClock()
    path.write_text(YAML)
    chain = SimChain({(A, "totalSupply()(uint256)"): 5})
    kinds = []
    for hour in range(6):
        chain.calls[A, "totalSupply()(uint256)"] = 5 if hour < 4 else 6
        kinds += [(hour, one.kind) for one in run(path, store=tmp_path, chain=chain, clock=clock)]
        clock.move("1h")
    assert kinds == [(3, "fired"), (4, "recovered")]

    path.write_text(YAML.replace("longer_than", "longer"))
    with pytest.raises(ConfigError, match="longer is not known here, did you mean longer_than"):
        load_monitor(path)


@pytest.mark.usefixtures("one_more")
def test_a_function_uses_it(tmp_path: Path) -> None:
    @monitor("feed")
    def main(m: Context) -> None:
        m.stuck("round", 5, longer_than=timedelta(hours=2), severity="high")

    clock, kinds = SimClock(), []
    for hour in range(4):
        kinds += [(hour, one.kind) for one in run(main, store=tmp_path, clock=clock)]
        clock.move("1h")
    assert kinds == [(3, "fired")]

    @monitor("feed")
    def wrong(m: Context) -> None:
        m.stuck("round", 5, longer_than="2h", longer="2h", severity="high")

    with pytest.raises(UsageError, match=r"m\.stuck\(…, longer=…\): unknown keyword"):
        _call(wrong, tmp_path)


def _call(main: object, folder: Path) -> None:
    """Call the function itself: a run would turn its mistake into an alert."""

    class Loose(Verbs):
        def _judge(self, key: str, verb: str, asked: object) -> object:  # type: ignore[override]
            raise AssertionError(key)

    main.function(Loose())  # type: ignore[attr-defined]


def test_every_verb_of_python_is_offered_with_its_types() -> None:
    """An editor knows a verb's keywords by one line in `utils.verbs`."""
    text = Path("utils/verbs.py").read_text(encoding="utf-8")
    offered = {name for name, one in verbs().items() if one.python}
    assert {name for name in offered if f"        {name} = _of(" not in text} == set()
    assert {"limit", "items", "stages", "deadline"} <= offered
