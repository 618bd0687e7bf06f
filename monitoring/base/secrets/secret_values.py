"""Which texts of an environment are secret: by the name of a variable, by the place in an address, by shape. Pure.

Called by `redact`, and where an environment is handed to another process. A leak is worse than a blank too many, with
one limit: an ordinary alert must stay readable. So public things are never secret: addresses, numbers, hosts, and words
that are in the files of this checkout.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from monitoring.base.secrets.declared import is_declared_public, is_declared_secret
from monitoring.base.secrets.harmless_names import is_public_word

# Variables whose whole value is secret, whatever it looks like; a sender's own are declared in its file.
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:[A-Z0-9]*(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|MNEMONIC|COOKIE)S?"
    r"|(?:API|ACCESS|SECRET|PRIVATE|AUTH|SIGNING|ENCRYPTION|LICENSE|DEPLOY|SSH)?KEYS?"
    r"|[A-Z0-9]*(?:PWD|PASS|APIKEY|PRIVKEY|PRIVATEKEY)|PK|PW|AUTH|OAUTH|AUTHORIZATION|BEARER|CREDS?|DSNS?|SEED|JWT|PRIVATE|HMAC|PSK)(?:_|\d|$)"
    r"|^PROVIDER_URL|_PING$"
)
# An address: not secret as such, but nothing for a process that does not need it.
_ADDRESS_NAME = re.compile(r"_URLS?(?:_\d+)?$")
# Where people find the pages: the web process and every link need it, so it must hold no secret.
_PUBLIC_NAME = "MONITORING_PUBLIC_URL"
# A password of digits alone is one only where the name leaves no doubt: TOKEN_ID=12345678 is a number.
_CERTAIN_NAME = re.compile(r"(?:^|_)(?:PASS|PASSWORD|PASSWD|SECRET|API_?KEY)(?:_|\d|$)")
# What a shell, systemd and this project set, with values that anybody may read. An address in them is looked at still.
_HARMLESS_NAME = re.compile(
    r"^(?:_|SSH_AUTH_SOCK|SSH_ASKPASS|PATH|PWD|OLDPWD|HOME|SHELL|SHLVL|USER|USERNAME|LOGNAME|MAIL|HOST|HOSTNAME|LANG"
    r"|LANGUAGE|TZ|TERM|COLORTERM|EDITOR|VISUAL|PAGER|DISPLAY|TMPDIR|TMP|TEMP|NO_COLOR|CI|INVOCATION_ID|JOURNAL_STREAM|MANAGERPID|NOTIFY_SOCKET"
    r"|DEBIAN_FRONTEND|VIRTUAL_ENV|VIRTUAL_ENV_PROMPT|PS[0-9]|XAUTHORITY|MAKEFLAGS|MFLAGS|MAKELEVEL"
    r"|LOG_LEVEL|CACHE_DIR|CACHE_BACKEND|\w+_FILENAME|MONITORING_(?:ENV_FILE|API_HOST|API_PORT|PUBLIC_URL))$"
)
_HARMLESS_BEGINNING = re.compile(
    r"^(?:LC_|LS_|LESS|LD_LIBRARY_|LD_PRELOAD|XDG_|SSH_|SUDO_|DBUS_|GPG_|SYSTEMD_|MEMORY_PRESSURE_|LISTEN_|PYTHON|PYTEST_|AUTOMATION_)"
)
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+?(?=[\s\"'<>]|[,;|][A-Za-z][A-Za-z0-9+.-]*://|$)"
)
# Where a value of several parts comes apart: lists, JSON, PEM blocks with written-out line ends.
_BETWEEN = re.compile(r"(?:[\s,;\"'{}|<>]|\\[nrt])+")
_BETWEEN_PARTS = re.compile(rf"(?:{_BETWEEN.pattern}|[:@])+")  # as in user:password
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[-+]\d\d:?\d\d)?")
_PUBLIC = re.compile(
    r"0x[0-9a-fA-F]{40}|0x[0-9a-fA-F]{64}|[-+]?[\d.,:_/-]+"  # addresses, hashes, numbers, dates
    rf"|{_INSTANT.pattern}"
    r"|(?:~|\.{0,2})/\S*|-----.*",  # paths, the frame of a PEM block
    re.DOTALL,
)
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?")
_WEB = ("http", "https", "ws", "wss")
_SHORTEST = 6  # a shorter value would blank ordinary words
_SHORTEST_PART = 8
_PARTS_OF_A_DOMAIN = 2
_WORDS_OF_A_NAME, _LONGEST_WORD, _LONGEST_NAME = 2, 12, 16


def is_secret_name(name: str) -> bool:
    """Return whether a variable of this name may carry a secret, whatever its value is."""
    is_address = bool(_ADDRESS_NAME.search(name.upper())) and name.upper() != _PUBLIC_NAME
    return _is_secret_as_a_whole(name) or is_address


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable must not be handed to a process that does not need it."""
    return name.upper() != _PUBLIC_NAME and (is_secret_name(name) or any(_texts(name, value)))


def _is_secret_as_a_whole(name: str) -> bool:
    is_secret = _SECRET_NAME.search(name.upper()) or is_declared_secret(name)
    return bool(is_secret) and not _is_harmless(name)


def _is_harmless(name: str) -> bool:
    return bool(_HARMLESS_NAME.search(name.upper())) or is_declared_public(name)


def secret_texts(environ: Mapping[str, str]) -> dict[str, str]:
    """Return each text that must not be shown, and the variable it comes from."""
    found: dict[str, str] = {}
    for name, value in environ.items():
        for text in _texts(name, value):
            found.setdefault(text, name)
    return found


def _texts(name: str, value: str) -> Iterator[str]:
    """Yield the secrets in the value of one variable."""
    is_whole = _is_secret_as_a_whole(name)
    for address in _ADDRESS.findall(value):
        parts = list(_parts_of_address(address))
        yield from parts
        if parts or is_whole:
            yield address
    if is_whole:
        yield from _whole(name, value)
    elif _is_harmless(name) or _HARMLESS_BEGINNING.search(name.upper()):
        return
    rest = _ADDRESS.sub(" ", value).strip()
    for piece in dict.fromkeys([rest, *(_BETWEEN_PARTS if is_whole else _BETWEEN).split(rest)]):
        if is_whole or not _reads_like_words(piece):
            named = piece.partition("=")[2].strip("=") or piece
            if not _INSTANT.fullmatch(named):  # its parts look like keys
                yield from _long([named, *_parts_without_scheme(named)])


def _whole(name: str, value: str) -> Iterator[str]:
    """Yield a value that is secret by its variable's name, and each of its lines."""
    value = value.strip()
    for text in dict.fromkeys([value, *(line.strip() for line in value.splitlines())]):
        shortest = _SHORTEST if text == value else _SHORTEST_PART
        is_number = re.fullmatch(r"[-+]?\d[\d,_]*(?:\.\d+)?", text)
        if is_number and not (_CERTAIN_NAME.search(name.upper()) and len(text) >= _SHORTEST_PART):
            continue
        if len(text) >= shortest and not re.fullmatch(r"0x[0-9a-fA-F]{40}|-----.*-----", text):
            yield text
            if re.fullmatch(r"(?:0x)?[0-9a-fA-F]{64}", text):  # the letters of a number may be written either way
                digits = text.removeprefix("0x")
                yield from dict.fromkeys([digits, digits.lower(), digits.upper()])


def _parts_of_address(address: str) -> Iterator[str]:
    """Yield what of an address can be a key: user, password, labels of the host, path segments, values of the query."""
    try:
        split = urlsplit(address)
        user, _, host = split.netloc.rpartition("@")
    except ValueError:
        yield from _long(re.split(r"[/?&=@:]+", address))
        return
    name, _, password = user.partition(":")
    yield from _decoded(password, _SHORTEST)
    yield from _long([name, *_labels(host, split.scheme)])
    if password and len(user) >= _SHORTEST_PART:  # as a client sends it: the header of basic authentication
        yield b64encode(unquote(user).encode("utf-8", "surrogateescape")).decode().rstrip("=")
    for place in (split.path, split.fragment):
        for segment in place.split("/"):
            yield from _long([segment, *re.split(r"[:;,=&@~]", segment)])
    for pair in re.split(r"[&;]", split.query):
        yield from _long([pair.partition("=")[2] or pair])


def _parts_without_scheme(text: str) -> Iterator[str]:
    """Yield what can be a key in an address that leaves out its beginning: `KEY@host`, `host/v2/KEY`, `//host/KEY`."""
    text = text.removeprefix("//")
    if (
        re.match(r"[^/?#]+[@/?]|[^/?#:]+:[^/?#]*[^\d/?#]|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+){2,}$", text)
        and " " not in text
    ):
        yield from (part for part in _parts_of_address(f"https://{text}") if not _reads_like_words(part))
        yield from (part for part in text.split(":")[1:] if "@" not in part and not _reads_like_words(part))


def _labels(host: str, scheme: str) -> list[str]:
    """Return the labels of a host that look like keys; where it is no host of the web, whatever stands there."""
    if scheme.lower() not in _WEB and "." not in host:
        return [host, *host.split(":")]
    labels = host.partition(":")[0].split(".")[:-_PARTS_OF_A_DOMAIN]
    keys = [label for label in labels if len(label) >= _SHORTEST_PART and not _is_name(label)]
    return [spelling for label in keys for spelling in dict.fromkeys([label, label.lower()])]


def _is_name(label: str) -> bool:
    """Return whether a label of a host reads like a name: few short words and numbers, or words that are known."""
    pieces = re.split(r"[-_]", label)
    if not all(re.fullmatch(r"[A-Za-z]*\d{0,3}", piece) for piece in pieces):
        return False
    is_short = len(pieces) <= _WORDS_OF_A_NAME and all(len(piece) <= _LONGEST_WORD for piece in pieces)
    return is_short or is_public_word(label)


def _reads_like_words(text: str) -> bool:
    """Return whether a text is words and short numbers with something between them, as in us-east-1."""
    pieces = re.split(r"[-_./:@+]", text)
    is_short = len(pieces) > 1 and len(text) <= _LONGEST_NAME
    return is_short and all(re.fullmatch(r"[A-Za-z]*\d{0,3}", piece) for piece in pieces)


def _long(texts: list[str]) -> Iterator[str]:
    """Yield those that are long enough to be a key and that are not public."""
    for text in texts:
        yield from (spelling for spelling in _decoded(text, _SHORTEST_PART) if not _is_public(spelling))


def _decoded(text: str, shortest: int) -> Iterator[str]:
    yield from (spelling for spelling in dict.fromkeys([text, unquote(text)]) if len(spelling) >= shortest)


def _is_public(text: str) -> bool:
    is_host = _HOST.fullmatch(text) and all(map(_is_name, text.partition(":")[0].split(".")))
    return bool(is_host or _PUBLIC.fullmatch(text)) or is_public_word(text)
