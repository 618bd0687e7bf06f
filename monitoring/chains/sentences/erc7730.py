"""Descriptors in the form of ERC-7730, as wallets use them: words for a contract's calls, and how values are written.

Read offline. What a descriptor says wrong is a line with its place; its other functions are used all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

from monitoring.chains.abi.addresses import SignatureError, is_address
from monitoring.chains.abi.signatures import MAX_NESTING
from monitoring.chains.decode.foreign_names import clean_name
from monitoring.chains.sentences.named_signature import NamedSignature, parse_named
from monitoring.chains.sentences.pattern import MAX_PATTERN, TARGET, VALUE, Pattern, ValueSlot, slot_of

MAX_FUNCTIONS = 200  # of one file; real ones describe some ten
MAX_FIELDS = 12  # shown of one call; the list of calls has all
MAX_WORDS, MAX_UNIT = 100, 12
_EMBEDDED = re.compile(r"\{([^{}]{1,120})\}")
_FORMS = {"addressName": "party", "tokenAmount": "token", "amount": "native", "date": "date", "duration": "duration"}
_CONTAINER = {"@.value": VALUE, "@.to": TARGET}
_ELSEWHERE = "(in the list below)"  # a value that a sentence cannot hold, such as each one of a list


class DescriptorError(Exception):
    """What is wrong, and where in the document."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The functions of some contracts, in words; `mistakes` are those of functions that are left out."""

    contracts: tuple[tuple[int, str], ...]
    patterns: tuple[Pattern, ...]
    mistakes: tuple[DescriptorError, ...]


def read_descriptor(document: object, name: str) -> Descriptor:
    """Read one document; `name` is shown with its sentences.

    Raises:
        DescriptorError: it describes no contract, or is none at all.
    """
    root = _mapping(document, "the file")
    contracts = tuple(_contracts(root))
    formats = _mapping(_mapping(root.get("display"), "display").get("formats"), "display.formats")
    patterns, mistakes = list[Pattern](), list[DescriptorError]()
    for signature, format_ in list(formats.items())[:MAX_FUNCTIONS]:
        try:
            patterns.append(_Format(root, str(signature), format_).pattern(name))
        except DescriptorError as error:
            mistakes.append(error)
    if len(formats) > MAX_FUNCTIONS:
        mistakes.append(DescriptorError("display.formats", f"only the first {MAX_FUNCTIONS} functions are read"))
    return Descriptor(contracts, tuple(patterns), tuple(mistakes))


def merged(included: object, own: object, depth: int = 0) -> object:
    """Return a document with what it includes under it; what is written in it itself comes first."""
    if not isinstance(included, dict) or not isinstance(own, dict) or depth > MAX_NESTING:
        return own
    found = {key: merged(value, own[key], depth + 1) if key in own else value for key, value in included.items()}
    return {**found, **{key: value for key, value in own.items() if key not in included}}


def _contracts(root: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield where it may be used: one without addresses would put its words on any contract."""
    context = _mapping(root.get("context"), "context")
    if "contract" not in context:
        raise DescriptorError("context.contract", "is missing: descriptors of signed messages are not used here")
    rows = _mapping(context["contract"], "context.contract").get("deployments")
    if not isinstance(rows, list) or not rows:
        raise DescriptorError("context.contract.deployments", "name each contract with its chainId and address")
    for place, row in enumerate(rows):
        chain, address = (row.get("chainId"), row.get("address")) if isinstance(row, dict) else (None, None)
        if not isinstance(chain, int) or not is_address(address):
            where = f"context.contract.deployments[{place}]"
            raise DescriptorError(where, "write chainId as a number and address as 0x and 40 hex digits")
        yield chain, str(address).lower()


def _mapping(found: object, path: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise DescriptorError(path, "a JSON object is missing here")
    return cast("Mapping[str, Any]", found)


@dataclass(frozen=True, slots=True)
class _Format:
    """One function of a descriptor."""

    root: Mapping[str, Any]
    text: str
    written: object

    @property
    def path(self) -> str:
        return f"display.formats[{clean_name(self.text, MAX_WORDS)}]"

    def pattern(self, name: str) -> Pattern:
        try:
            signature = parse_named(self.text)
        except SignatureError as error:
            raise DescriptorError(self.path, str(error)) from None
        format_ = _mapping(self.written, self.path)
        fields = list(self._fields(format_.get("fields"), f"{self.path}.fields", "", 0))
        slots = {path: self._slot(field, signature, path) for path, field in fields}
        intent = _words(format_.get("intent"))
        sentence = format_.get("interpolatedIntent")
        if isinstance(sentence, str):
            parts = self._interpolated(sentence, slots)
        elif intent:
            parts = [intent, *_listed(fields, slots)]
        else:
            raise DescriptorError(f"{self.path}.intent", "say what the call does")
        return Pattern(signature, tuple(parts), name)

    def _interpolated(self, sentence: str, slots: Mapping[str, str | ValueSlot]) -> list[str | ValueSlot]:
        where = f"{self.path}.interpolatedIntent"
        parts, end = list[str | ValueSlot](), 0
        if len(sentence) > MAX_PATTERN:
            raise DescriptorError(where, f"is longer than {MAX_PATTERN} characters")
        for found in _EMBEDDED.finditer(sentence):
            path = _plain_path(found[1])
            if path not in slots:
                raise DescriptorError(where, f"{found[1]} is no path of its fields")
            parts += [_inner(sentence[end : found.start()]), slots[path]]
            end = found.end()
        return [*parts, _inner(sentence[end:])]

    def _fields(self, rows: object, where: str, prefix: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield each field with its whole path; groups of fields are opened."""
        if not isinstance(rows, list) or depth > MAX_NESTING:
            raise DescriptorError(where, "write a list of fields")
        for place, row in enumerate(rows):
            field = self._resolved(_mapping(row, f"{where}[{place}]"), f"{where}[{place}]")
            path = prefix + _plain_path(str(field.get("path") or field.get("value") or ""))
            if "fields" in field:
                yield from self._fields(
                    field["fields"], f"{where}[{place}].fields", f"{path}." if path else "", depth + 1
                )
            elif path and field.get("visible") != "never":
                yield path, field

    def _resolved(self, field: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        """Put a definition that a field refers to under it."""
        reference = field.get("$ref")
        if reference is None:
            return field
        definition = _mapping(self._at(str(reference), f"{where}.$ref"), f"{where}.$ref")
        return _mapping(merged(definition, dict(field)), where)

    def _at(self, reference: str, where: str) -> object:
        found: object = self.root
        for word in reference.removeprefix("$.").split("."):
            if not isinstance(found, dict) or word not in found:
                raise DescriptorError(where, f"there is no {reference} in the file")
            found = found[word]
        return found

    def _slot(self, field: Mapping[str, Any], signature: NamedSignature, path: str) -> str | ValueSlot:
        """Return how a field is written; what no single value stands for is said to be in the list of calls."""
        if "value" in field and "path" not in field:
            return clean_name(str(field["value"]), MAX_WORDS)
        if path.startswith("$."):
            return clean_name(str(self._at(path, self.path)), MAX_WORDS)
        if "[]" in path or (path.startswith("@.") and path not in _CONTAINER):
            return _ELSEWHERE
        params = field.get("params")
        params = params if isinstance(params, dict) else {}
        try:
            return self._written(field, params, signature, _CONTAINER.get(path, path))
        except SignatureError as error:
            raise DescriptorError(f"{self.path}.fields", str(error)) from None

    def _written(
        self, field: Mapping[str, Any], params: Mapping[str, Any], signature: NamedSignature, path: str
    ) -> ValueSlot:
        kind = str(field.get("format") or "raw")
        form = _FORMS.get(kind, "plain")
        if kind == "date" and params.get("encoding") == "blockheight":
            return replace(slot_of(signature, path, "number"), unit=" (a block)")
        if kind == "unit":
            places = str(params.get("decimals", 0))
            return replace(
                slot_of(signature, path, "decimals", places), unit=clean_name(str(params.get("base", "")), 12)
            )
        if kind == "enum":
            return replace(slot_of(signature, path, "plain"), names=self._names(str(params.get("$ref", ""))))
        return slot_of(signature, path, form, self._token(params) if form == "token" else "")

    def _token(self, params: Mapping[str, Any]) -> str:
        token = params.get("token") or params.get("tokenPath") or ""
        text = str(token)
        found = str(self._at(text, self.path)) if text.startswith("$.") else _plain_path(text)
        if "[]" in found:
            raise SignatureError(f"{text} names no single token")
        return _CONTAINER.get(found, found)

    def _names(self, reference: str) -> Mapping[str, str]:
        found = self._at(reference, f"{self.path}.fields") if reference else {}
        rows = found if isinstance(found, dict) else {}
        return MappingProxyType({str(key): clean_name(str(value)) for key, value in rows.items()})


def _listed(
    fields: Sequence[tuple[str, Mapping[str, Any]]], slots: Mapping[str, str | ValueSlot]
) -> Iterator[str | ValueSlot]:
    for place, (path, field) in enumerate(fields[:MAX_FIELDS]):
        label = clean_name(str(field.get("label") or path))
        yield f"{'; ' if place else ': '}{label} "
        yield slots[path]
    if len(fields) > MAX_FIELDS:
        yield f"; and {len(fields) - MAX_FIELDS} more values in the list below"


def _words(intent: object) -> str:
    if isinstance(intent, dict):
        return clean_name("; ".join(f"{key} {value}" for key, value in intent.items()), MAX_WORDS)
    return clean_name(intent, MAX_WORDS) if isinstance(intent, str) else ""


def _inner(text: str) -> str:
    """Clean a piece of a sentence without losing the spaces at its ends."""
    middle = clean_name(text, MAX_PATTERN)
    return f"{' ' if text[:1].isspace() else ''}{middle}{' ' if middle and text[-1:].isspace() else ''}"


def _plain_path(path: str) -> str:
    """Return a path of a call's data as our patterns write it."""
    return re.sub(r"(?<!\.)\[", ".[", path.removeprefix("#.")).lstrip(".")
