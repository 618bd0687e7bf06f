"""Keeps secrets out of every text we write, by value: whatever the pattern around it, the value itself is replaced.

`secret_values` decides what is secret. A text is redacted before it is cut, never after: half a key is no value that
anybody would find. So a text from outside is shortened with `excerpt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

# Shapes that are secret wherever they come from: a Telegram bot token, credentials inside a URL.
_BOT_TOKEN = re.compile(r"(?<!\d)\d{6,12}(?::|%3[Aa])[A-Za-z0-9_-]{30,}")
_BOT_TOKEN_SIGN = re.compile(r"(?::|%3[Aa])[A-Za-z0-9_-]{30}")
_URL_CREDENTIALS = re.compile(r"(?<=://)(?:[^/\s:@]+:[^/\s@]+|[^/\s:@]{8,})(?=@)")
_LONGEST_SHAPE = 64
_WHOLE_WORD_BELOW = 8  # a shorter value is blanked only where it stands alone
_MANY_PATTERNS = 64
# How a character may occur in a text: as itself, escaped, and encoded in %, JSON, HTML or Python's repr.
_SPELLINGS = {
    " ": (r"\+",),
    "\n": (r"\\+n",),
    "\r": (r"\\+r",),
    "\t": (r"\\+t",),
    '"': ("&quot;",),
    "'": ("&apos;",),
    "&": ("&amp;",),
    "<": ("&lt;",),
    ">": ("&gt;",),
}
_MOST_PER_BYTE = 9  # characters that one byte of UTF-16 takes in the longest spelling, as in &#x0000e9;


class Redactor:
    """Replaces the secrets of an environment by `[NAME]`, longest first. Safe to use from several threads."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._patterns: dict[tuple[int, ...], re.Pattern[str]] = {}

    # Found at the first text: the words of the whole checkout are read for it, and many a command writes no text.
    @cached_property
    def _secrets(self) -> list[tuple[str, str]]:
        from monitoring.base.secrets.secret_values import secret_texts  # noqa: PLC0415 - likewise

        return sorted(secret_texts(self._environ).items(), key=lambda pair: -len(pair[0]))

    @cached_property
    def _anchors(self) -> dict[str, list[int]]:
        """The longest run of letters and digits of each secret: nothing encodes it, and it is quick to look for."""
        anchors: dict[str, list[int]] = {}
        for number, (text, _) in enumerate(self._secrets):
            anchors.setdefault(max(re.findall(r"[A-Za-z0-9]*", text), key=len), []).append(number)
        return anchors

    @cached_property
    def longest(self) -> int:
        """The most characters that a secret takes in any spelling: a cut nearer to the end than this may split one."""
        return max([_LONGEST_SHAPE, *(_longest_spelling(text) for text, _ in self._secrets)])

    @cached_property
    def _raw_anchors(self) -> list[bytes]:
        return [anchor.encode() for anchor in self._anchors]

    def __call__(self, text: str) -> str:
        pattern = self._pattern_for(text)
        if pattern is not None:
            text = pattern.sub(self._name, text)
        if _BOT_TOKEN_SIGN.search(text):
            text = _BOT_TOKEN.sub("[bot token]", text)
        return _URL_CREDENTIALS.sub("[credentials]", text) if "@" in text and "://" in text else text

    def may_change(self, data: bytes) -> bool:
        """Return quickly whether some line of `data` may hold a secret."""
        if any(anchor in data for anchor in self._raw_anchors):
            return True
        return (b"@" in data and b"://" in data) or bool(_RAW_BOT_TOKEN_SIGN.search(data))

    def whole(self, text: str, at: int) -> int:
        """Return the last place up to `at` where a cut splits no secret that stands whole in `text`."""
        for pattern in (self._pattern_for(text), _BOT_TOKEN, _URL_CREDENTIALS):
            for found in pattern.finditer(text) if pattern else ():
                if found.start() < at < found.end():
                    at = found.start()
        return at

    def _pattern_for(self, text: str) -> re.Pattern[str] | None:
        found = tuple(sorted(n for anchor, numbers in self._anchors.items() if anchor in text for n in numbers))
        if not found:
            return None
        if found not in self._patterns:
            if len(self._patterns) >= _MANY_PATTERNS:
                self._patterns = {}
            joined = "|".join(f"(?P<s{number}>{_any_spelling(self._secrets[number][0])})" for number in found)
            self._patterns = {**self._patterns, found: re.compile(joined)}
        return self._patterns[found]

    def _name(self, found: re.Match[str]) -> str:
        return f"[{self._secrets[int((found.lastgroup or 's0')[1:])][1]}]"


_RAW_BOT_TOKEN_SIGN = re.compile(_BOT_TOKEN_SIGN.pattern.encode())
_of_this_process = Redactor({})


def keep_secret(environ: Mapping[str, str]) -> Redactor:
    """Let this process know its secrets: from now on `redact` and `excerpt` take them out."""
    global _of_this_process  # noqa: PLW0603 - a process has one set of secrets; all code that cuts a text needs it
    _of_this_process = Redactor(environ)
    return _of_this_process


def of_this_process() -> Redactor:
    """Return the redactor of the environment this process works with."""
    return _of_this_process


def redact(text: str) -> str:
    """Take this process's secrets out of a text."""
    return _of_this_process(text)


def excerpt(text: str, most: int) -> str:
    """Return the first `most` characters of a text without its secrets; `-most`: the last ones."""
    text = redact(text)
    return text[:most] if most >= 0 else text[most:]


def _any_spelling(text: str) -> str:
    """Return a pattern for a text in every encoding we have met, mixed or not."""
    pattern = "".join(map(_spellings_of, text))
    if len(text) < _WHOLE_WORD_BELOW or text.isdecimal():
        return rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
    return pattern


def _spellings_of(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    units = [int.from_bytes(pair, "big") for pair in _pairs(char.encode("utf-16-be", "surrogatepass"))]
    data = char.encode("utf-8", "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass")
    spellings = [
        rf"\\{{0,4}}{re.escape(char)}",  # a shell, JSON and the markup of chats put backslashes before it
        *_SPELLINGS.get(char, ()),
        rf"&#0{{0,4}}{ord(char)};",
        rf"&#[xX]0{{0,4}}{_any_case_of(f'{ord(char):x}')};",
        "".join(f"%(?:25){{0,2}}{_any_case(byte)}" for byte in data),
        "".join(rf"\\x{_any_case(byte)}" for byte in data),
        "".join(rf"\\u{_any_case(unit >> 8)}{_any_case(unit & 255)}" for unit in units),
    ]
    return f"(?:{'|'.join(spellings)})"


def _any_case(byte: int) -> str:
    return _any_case_of(f"{byte:02x}")


def _any_case_of(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _pairs(data: bytes) -> list[bytes]:
    return [data[at : at + 2] for at in range(0, len(data), 2)]


def _longest_spelling(text: str) -> int:
    return sum(
        1 if char.isascii() and char.isalnum() else _MOST_PER_BYTE * len(char.encode("utf-16-be", "surrogatepass"))
        for char in text
    )
