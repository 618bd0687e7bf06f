"""The contracts in tests/data/contracts, compiled beside their sources."""

from __future__ import annotations

import json
from pathlib import Path

_HERE = Path(__file__).resolve().parents[1] / "data/contracts"


def creation_code(name: str) -> str:
    return _read(name)["bytecode"]


def runtime_code(name: str) -> str:
    return _read(name)["deployedBytecode"]


def _read(name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((_HERE / f"{name}.json").read_text(encoding="utf-8"))
    return found
