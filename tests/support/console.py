"""Commands as a page of documentation shows them: lines behind `$ ` in blocks marked `console`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"^( *)```console *([\w-]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """One line a reader types. `where`: nothing (any checkout will do), `host` (a booted one), or where else."""

    text: str
    where: str
    line: int


def commands(page: str) -> list[Command]:
    """Return the commands of a page, in order."""
    found = []
    for block in _BLOCK.finditer(page):
        first = page.count("\n", 0, block.start(3)) + 1
        for offset, line in enumerate(block[3].splitlines()):
            if line.strip().startswith("$ "):
                found.append(Command(line.strip()[2:], block[2], first + offset))
    return found
