"""Writes the schemas with which editors complete and check jobs.yaml and jobs.d, and the tables of docs/jobs.md.

`python -m automation.jobs.json_schema` after a change of a key; a test holds both equal to what is generated here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from automation.jobs.model import JOBS, PROFILE, TASK
from monitoring.base.settings import CHECKOUT
from monitoring.base.yaml.reference import schema_text, with_tables

SCHEMA_FILE = Path(__file__).parents[1] / "jobs.schema.json"
FURTHER_SCHEMA_FILE = SCHEMA_FILE.with_name("jobs.d.schema.json")
PAGE = CHECKOUT / "docs" / "jobs.md"


def generated() -> dict[Path, str]:
    """Return what the files have to say."""
    page = PAGE.read_text(encoding="utf-8")
    return {
        SCHEMA_FILE: schema_text(JOBS, "jobs.yaml"),
        FURTHER_SCHEMA_FILE: _further(schema_text(JOBS, "a file of jobs.d")),
        PAGE: with_tables(page, {"file": JOBS, "profile": PROFILE, "task": TASK}),
    }


def _further(text: str) -> str:
    """Return the schema for a file that adds to others: what they hold, it need not."""
    schema: dict[str, Any] = json.loads(text)
    del schema["required"]
    for profile in schema["properties"]["profiles"]["patternProperties"].values():
        del profile["required"]
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for file, text in generated().items():
        file.write_text(text, encoding="utf-8")
