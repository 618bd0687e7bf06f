"""A built-in type is one file: put into the package of types, monitor files may use it."""

from __future__ import annotations

import sys
from pathlib import Path

from monitoring.checks import builtin
from monitoring.checks.config.load import load_monitor

FILE = """
from tests.support.roll_call import KIND as TYPE
"""
YAML = """
monitor: house
chain: 1
roll_call: {who: ["0x1111111111111111111111111111111111111111"], severity: high}
"""


def test_a_type_is_found_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "roll_call.py").write_text(FILE)
    (tmp_path / "monitor.yaml").write_text(YAML)
    builtin.__path__.append(str(tmp_path / "types"))
    try:
        types = builtin.found_types()
    finally:
        builtin.__path__.remove(str(tmp_path / "types"))
        sys.modules.pop("monitoring.checks.builtin.roll_call", None)

    assert types.keys() - builtin.TYPES.keys() == {"roll_call"}
    (part,) = load_monitor(tmp_path / "monitor.yaml", types).parts()
    assert part.key.check == "roll-call"
    assert list(builtin.TYPES) == ["erc4626", "host", "http", "proposals", "safes", "timelocks"]
