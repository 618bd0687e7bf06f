"""Writes jobs.schema.json, with which editors complete and check jobs.yaml: `python -m automation.jobs.json_schema`.

A test holds the committed file equal to what is generated here.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from automation.jobs.model import JobsFile

SCHEMA_FILE = Path(__file__).parents[1] / "jobs.schema.json"


class _JobsSchema(GenerateJsonSchema):
    """Pydantic's generator, made as strict as the reader of the file is."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's signature
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])  # a key is left out, never null

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            del made["default"]
        return made

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return {**super().dict_schema(schema), "additionalProperties": False}


def schema_text() -> str:
    """Return the JSON Schema of jobs.yaml as it is committed."""
    schema = JobsFile.model_json_schema(schema_generator=_JobsSchema)
    head = {"$schema": _JobsSchema.schema_dialect, "title": "jobs.yaml"}
    return json.dumps({**head, **schema, **head}, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
