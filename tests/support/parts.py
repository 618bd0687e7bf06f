"""Real parts a test may need. Missing ones skip the test with the reason; in CI a missing part is a failure."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

from tests.support.contracts import Artifact, artifact


def require(program: str) -> str:
    """Return the path of a program, or skip (in CI: fail) naming it."""
    found = shutil.which(program)
    if found is None:
        missing(f"{program} is not installed")
    return str(found)


def missing(reason: str) -> NoReturn:
    """Skip for want of a part; in CI, where every part is there, fail."""
    import pytest

    if os.environ.get("CI") == "true":
        pytest.fail(f"in CI every part must be there: {reason}")
    pytest.skip(reason)


def package(name: str, contract: str) -> Artifact:
    """Return a contract of an installed npm package."""
    try:
        return artifact(name, contract)
    except FileNotFoundError as error:
        missing(str(error))
