"""Writes the schema with which editors check on_call.yaml, and the tables of docs/on-call.md.

`python -m automation.on_call.json_schema` after a change of a key; a test holds both equal to what is generated here.
"""

from __future__ import annotations

from pathlib import Path

from automation.on_call.model import ESCALATION, ESCALATIONS, ON_CALL_FILE, OVERRIDE, PERSON, ROTA, STEP
from monitoring.base.settings import CHECKOUT
from monitoring.base.yaml.reference import schema_text, with_tables

SCHEMA_FILE = Path(__file__).parents[1] / "on_call.schema.json"
PAGE = CHECKOUT / "docs" / "on-call.md"
_TABLES = {
    "file": ON_CALL_FILE, "person": PERSON, "rota": ROTA, "override": OVERRIDE,
    "escalation": ESCALATIONS, "steps of a severity": ESCALATION, "step": STEP,
}  # fmt: skip


def generated() -> dict[Path, str]:
    """Return what the files have to say."""
    page = PAGE.read_text(encoding="utf-8")
    return {SCHEMA_FILE: schema_text(ON_CALL_FILE, "on_call.yaml"), PAGE: with_tables(page, _TABLES)}


if __name__ == "__main__":
    for file, text in generated().items():
        file.write_text(text, encoding="utf-8")
