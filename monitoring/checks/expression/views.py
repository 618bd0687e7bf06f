"""The views that formulas may call: those a monitor declares, and a library of those everybody has (`views.txt`)."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.function import Function, parse_function

MAX_LENGTH = 300
_SOLIDITY = re.compile(r"^function\s|\s(?:returns|view|external|public|pure|memory)\b")
_LIBRARY = Path(__file__).parent / "views.txt"


def parse_view(text: str) -> Function:
    """Read a function that returns something.

    Raises:
        SignatureError: with the offset of the mistake.
    """
    if len(text) > MAX_LENGTH:
        raise SignatureError(f"a signature of more than {MAX_LENGTH} characters")
    solidity = _SOLIDITY.search(text)
    if solidity:
        raise SignatureError(
            f"{solidity[0].strip()} is Solidity: write only name(types)(types), as in totalSupply()(uint256)",
            solidity.start(), text,
        )  # fmt: skip
    view = parse_function(text)
    if not view.outputs:
        missing = "it does not say what comes back: write it as in totalSupply()(uint256)"
        raise SignatureError(missing, len(text) - 1, text)
    return view


@functools.cache
def standard_views() -> dict[str, tuple[Function, ...]]:
    """Return the library of views by name."""
    found: dict[str, tuple[Function, ...]] = {}
    for line in _LIBRARY.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            view = parse_view(line)
            found[view.name] = (*found.get(view.name, ()), view)
    return found
