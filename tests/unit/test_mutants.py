"""The small faults that the tests of our decisions are tried with."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tools.mutants import mutants_of
from tools.mutation import put_in

SOURCE = '''
LIMIT = 2
log = None

def judged(value, most=LIMIT):
    """Decide."""
    if value is None:
        log.info("nothing to judge")
        return "none"
    return "bad" if value > most and value >= 0 else "good"

class Count:
    total = 0
    def add(self, number):
        self.total += number
        return self
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = tmp_path / "decisions.py"
    path.write_text(SOURCE)
    made = ModuleType("decisions")
    made.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "decisions", made)
    exec(compile(SOURCE, str(path), "exec"), vars(made))
    return made


def names() -> list[str]:
    return [mutant.name for mutant in mutants_of(SOURCE)]


@pytest.mark.parametrize(
    "name",
    [
        ": LIMIT = 2 => LIMIT = 3",
        "judged: value > most => value >= most",
        "judged: value > most and value >= 0 => value > most or value >= 0",
        "judged: value is None => value is not None",
        "judged: return 'none' => return None",
        "Count.add: self.total += number => ...",
    ],
)
def test_each_kind_of_fault_is_named_by_its_place_and_how_it_reads(name: str) -> None:
    assert name in names()


def test_what_goes_into_the_log_and_docstrings_is_left_out() -> None:
    assert not any("log.info" in name or "Decide" in name for name in names())


def test_a_sample_is_the_same_each_time_and_a_part_of_all() -> None:
    sample = [mutant.name for mutant in mutants_of(SOURCE, 4)]
    assert sample == [mutant.name for mutant in mutants_of(SOURCE, 4)]
    assert len(sample) == 4
    assert set(sample) <= set(names())


def test_every_mutant_is_another_program() -> None:
    shown = [ast.unparse(mutant.tree) for mutant in mutants_of(SOURCE)]
    assert len(set(shown)) == len(shown)
    assert ast.unparse(ast.parse(SOURCE)) not in shown


def fault(name: str, module: ModuleType) -> None:
    put_in(module, next(mutant for mutant in mutants_of(SOURCE) if mutant.name == name))


def test_a_function_that_somebody_imported_carries_the_fault(module: ModuleType) -> None:
    judged = module.judged
    assert (judged(2), judged(3)) == ("good", "bad")
    fault("judged: value > most => value >= most", module)
    assert (judged(2), judged(3)) == ("bad", "bad")


def test_a_method_carries_the_fault(module: ModuleType) -> None:
    fault("Count.add: self.total += number => ...", module)
    assert module.Count().add(3).total == 0


def test_a_constant_carries_the_fault_also_where_it_was_imported(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ModuleType("other")
    vars(other)["LIMIT"] = module.LIMIT
    monkeypatch.setitem(sys.modules, "other", other)
    fault(": LIMIT = 2 => LIMIT = 3", module)
    assert (module.LIMIT, vars(other)["LIMIT"]) == (3, 3)
