"""The form of a model's answer: ids and nothing else. The only module that imports pydantic, of the extra `ai`.

A sentence that is not of this form is dropped, whatever it says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monitoring.alerts.message.facts import FactSheet
from monitoring.explain.patterns import PatternBook

MOST_SENTENCES = 2
MOST_FACTS = 3
_LONGEST_ID = 40


class ChosenSentence(BaseModel):
    """One sentence: the id of its pattern, ids of facts in their order, the id of a word where it has one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    pattern: str = Field(max_length=_LONGEST_ID)
    facts: list[str] = Field(min_length=1, max_length=MOST_FACTS)
    word: str = Field(default="", max_length=_LONGEST_ID)


class ModelAnswer(BaseModel):
    """What a model answers, before anything of it is believed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sentences: list[Any] = Field(max_length=10)


class NotAnAnswerError(ValueError):
    """The text is not in the form that was asked for."""


def answer_schema(sheet: FactSheet, book: PatternBook) -> dict[str, Any]:
    """Return the JSON schema of an answer about these facts, for servers that hold a model to one."""
    sentence = ChosenSentence.model_json_schema()
    fields = sentence["properties"]
    fields["pattern"] = {"type": "string", "enum": list(book.sentences)}
    fields["facts"] = {"type": "array", "items": {"type": "string", "enum": [one.id for one in sheet.facts]}}
    fields["word"] = {"type": "string", "enum": ["", *book.words]}
    # What servers take differs: they want every key required and know few limits, so ours are checked here.
    sentence["required"] = list(fields)
    return {
        "type": "object", "additionalProperties": False, "required": ["sentences"],
        "properties": {"sentences": {"type": "array", "items": sentence}},
    }  # fmt: skip


def read_answer(text: str) -> tuple[list[ChosenSentence], list[str]]:
    """Return the sentences of an answer that are of the form, and why others are not.

    Servers without schemas put words around the JSON, so it is looked for.

    Raises:
        NotAnAnswerError: there is no JSON object of this form in it.
    """
    try:
        answer = ModelAnswer.model_validate(_json_in(text))
    except (ValidationError, ValueError, RecursionError):
        raise NotAnAnswerError("the answer is not in the form that was asked for") from None
    chosen: list[ChosenSentence] = []
    dropped: list[str] = []
    for place, one in enumerate(answer.sentences, 1):
        try:
            chosen.append(ChosenSentence.model_validate(one))
        except ValidationError as error:
            dropped.append(f"sentence {place} is not of the form: {_places(error.errors())}")
    return chosen, dropped


def _json_in(text: str) -> Any:  # noqa: ANN401 - JSON
    found = json.loads(text[text.find("{") : text.rfind("}") + 1] or "null")
    if not isinstance(found, dict):
        raise NotAnAnswerError("no object")
    return found


def _places(errors: Sequence[Any]) -> str:
    """Name the keys that are wrong; never what the model wrote there."""
    known = {*ChosenSentence.model_fields}
    keys = [str(one["loc"][0]) if one["loc"] and one["loc"][0] in known else "something else" for one in errors]
    return ", ".join(dict.fromkeys(keys)) or "something else"
