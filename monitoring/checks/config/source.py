"""The `sources` of a monitor file: a number from a service, with what makes the answer trustworthy."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from monitoring.base.yaml.keys import Section, entry
from monitoring.checks.config.names import IDENTIFIER, read_expression
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.monitor import NumberSource
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import ANYTHING, BOOLEAN
from monitoring.checks.rules.keys import DURATION, FORMULA, POSITIVE, TEXT, Listed, Value, text_of

_NAME = r'(?:[A-Za-z_][A-Za-z0-9_-]*|"[^".\[\]]{1,100}")'
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME}|\[-?\d{{1,6}}\])*")
_LIST = re.compile(rf"{_NAME}(?:\.{_NAME}|\[-?\d{{0,6}}\])*")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


def read_source(spot: Spot, name: str) -> NumberSource | None:
    """Read one source; `max_age` without `time` is refused, for it could never be checked."""
    if not spot.entries("url, number and what else is known of a source"):
        return None
    spot.only(SOURCE.keys)
    address, path = spot.value(URL), spot.value(NUMBER)
    age, ok, required = spot.get(MAX_AGE.name), spot.get(OK.name), spot.get(REQUIRE.name)
    if age and not spot.get(TIME.name):
        age.wrong("max_age needs time: the path of the answer's own time")
    expression = read_expression(ok, Scope(open=True)) if ok else None
    if ok and expression and expression.kind not in (BOOLEAN, ANYTHING):
        ok.wrong(f"{BOOLEAN} is needed here, this is {expression.kind}")
    rows, texts, numbers = spot.value(ROWS), _paths(spot.get(TEXTS.name)), _paths(spot.get(NUMBERS.name))
    says_what = _says_what(spot)
    found = NumberSource(
        name=name,
        url=address or "",
        number=path or "",
        scale=spot.value(SCALE) or 1,
        time=spot.value(TIME) or "",
        max_age=spot.value(MAX_AGE),
        ok=expression,
        query=spot.value(QUERY) or "",
        require=tuple(
            one for item in (required.items("a list of paths") if required else []) if (one := read_path(item))
        ),
        headers=read_headers(spot.get(HEADERS.name)),
        rows=rows or "",
        texts=texts,
        numbers=numbers,
    )
    return found if says_what and address and (path or rows) else None


def _says_what(spot: Spot) -> bool:
    """See that a source has a number, or rows with what is read of each."""
    number, rows, scale = spot.get(NUMBER.name), spot.get(ROWS.name), spot.get(SCALE.name)
    of_rows = [one for key in (TEXTS, NUMBERS) if (one := spot.get(key.name))]
    if (number is None) is (rows is None):
        both = "number says which number is read, or rows which list"
        spot.wrong(both if rows else "number is missing: its path in the answer")
        return False
    if rows and scale:
        scale.wrong("the numbers of rows have their own scales: divide them under values")
    if rows and not of_rows:
        rows.wrong("texts and numbers say what is read of each row, as in numbers: {size: assets}")
    for one in of_rows if number else ():
        one.wrong("texts and numbers are of rows")
    return True


def _paths(spot: Spot | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in spot.entries("names and paths in a row") if spot else []:
        path = read_path(value)
        if not IDENTIFIER.fullmatch(key.text):
            value.mistakes.add(key.at, value.path, f"{key.text!r} cannot be named in an expression")
        elif path:
            found[key.text] = path
    return found


def read_url(spot: Spot) -> str | None:
    """Read a URL without a password in it."""
    text = spot.text("a URL")
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text)
    except ValueError:
        sound = False
    if not sound:
        spot.wrong("a URL is needed here, as in https://api.example.org/supply")
        return None
    if parts.username or parts.password:
        spot.wrong("a URL in a monitor holds no password: the file is public")
        return None
    return text


def read_path(spot: Spot) -> str | None:
    """Read a path in an answer."""
    text = spot.text("a path")
    if text is None or _PATH.fullmatch(text):
        return text
    spot.wrong(f"{text!r} is not a path in an answer, as in data.rows[0].value or data.rows[-1]")
    return None


def read_list_path(spot: Spot) -> str | None:
    """Read a path of a list in an answer, in which `[]` means each element."""
    text = spot.text("a path")
    if text is None or _LIST.fullmatch(text):
        return text.removesuffix("[]") if text else None
    spot.wrong(f"{text!r} is not a path of a list, as in data.rows or pools[].loans")
    return None


def read_headers(spot: Spot | None) -> dict[str, str]:
    """Read the headers of a request."""
    found: dict[str, str] = {}
    for key, value in spot.entries("headers") if spot else []:
        text = value.text("a header's value")
        if not _HEADER.fullmatch(key.text):
            value.mistakes.add(key.at, value.path, f"{key.text!r} is not a header")
        elif text:
            found[key.text] = text
    return found


ADDRESS_OF_ANSWER = Value("URL", read_url, {"type": "string", "pattern": "^\\s*https?://"})
IN_ANSWER = Value("path in the answer", read_path, {"type": "string"})
URL = entry(
    "url",
    ADDRESS_OF_ANSWER,
    "Where the number comes from.",
    without="where the number comes from",
    example="url: https://api.example.org/supply",
)
NUMBER = entry(
    "number",
    IN_ANSWER,
    "Its path in the answer.",
    default="",
    without="or rows",
    example="number: data.supply",
)
ROWS = entry(
    "rows",
    Value("path of a list", read_list_path, {"type": "string"}),
    "In place of a number: a list in the answer, for for_each; `[]` means each element.",
    default="",
    example="rows: data.farms",
)
TEXTS = entry(
    "texts",
    Listed(IN_ANSWER, named=True),
    "With rows: texts of each row, by name their paths in it.",
    default="",
    example="texts: {name: name}",
)
NUMBERS = entry(
    "numbers",
    Listed(IN_ANSWER, named=True),
    "With rows: numbers of each row, by name their paths in it.",
    default="",
    example="numbers: {size: assets}",
)
SCALE = entry("scale", POSITIVE, "The number is divided by this.", default="1", example="scale: 1e18")
TIME = entry("time", IN_ANSWER, "The path of the answer's own time.", default="", example="time: data.updated_at")
MAX_AGE = entry("max_age", DURATION, "With time: an older answer counts as none.", default="", example="max_age: 1h")
OK = entry(
    "ok",
    FORMULA,
    "What must be true of the answer, over its own fields.",
    default="",
    example="ok: code == 'OK'",
)
QUERY = entry(
    "query", text_of("query", "a query"), "A GraphQL query, sent by POST.", default="", example='query: "{ supply }"'
)
REQUIRE = entry(
    "require", Listed(IN_ANSWER), "Paths that must be in the answer.", default="", example="require: [data.rows]"
)
HEADERS = entry(
    "headers",
    Listed(TEXT, named=True),
    "Headers of the request.",
    default="",
    example="headers: {User-Agent: monitoring}",
)
_OF_ROWS = (ROWS, TEXTS, NUMBERS)
SOURCE = Section(
    "A number from a service, or rows.", URL, NUMBER, *_OF_ROWS, SCALE, TIME, MAX_AGE, OK, QUERY, REQUIRE, HEADERS
)
