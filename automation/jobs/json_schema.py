"""Writes jobs.schema.json, with which editors complete and check jobs.yaml, and the tables of docs/jobs.md.

`python -m automation.jobs.json_schema` after a change of a key; a test holds both equal to what is generated here.
"""

from __future__ import annotations

from pathlib import Path

from automation.jobs.model import JOBS, PROFILE, TASK
from monitoring.base.settings import CHECKOUT
from monitoring.base.yaml.reference import schema_text, with_tables

SCHEMA_FILE = Path(__file__).parents[1] / "jobs.schema.json"
PAGE = CHECKOUT / "docs" / "jobs.md"


def generated() -> dict[Path, str]:
    """Return what the two files have to say."""
    page = PAGE.read_text(encoding="utf-8")
    return {
        SCHEMA_FILE: schema_text(JOBS, "jobs.yaml"),
        PAGE: with_tables(page, {"file": JOBS, "profile": PROFILE, "task": TASK}),
    }


if __name__ == "__main__":
    for file, text in generated().items():
        file.write_text(text, encoding="utf-8")
