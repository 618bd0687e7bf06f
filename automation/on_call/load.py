"""on_call.yaml read: first its form, then what spans several values; every mistake of each with its place."""

from __future__ import annotations

from pathlib import Path

from automation.on_call.model import ON_CALL_FILE, OnCall
from automation.on_call.rules import check_rules
from monitoring.base.yaml.keys import read_value
from monitoring.base.yaml.marks import Mistakes, YamlNode
from monitoring.base.yaml.reader import read_yaml


def load_on_call(path: Path) -> OnCall | None:
    """Read an on_call.yaml in which everything is right; None where there is none.

    Raises:
        ConfigError: it cannot be read or has mistakes.
    """
    if not path.exists() and not path.is_symlink():
        return None
    mistakes = Mistakes(str(path))
    node = read_yaml(path, mistakes, aliases=True)
    root = YamlNode(node, "", mistakes) if node is not None else None
    team = read_value(ON_CALL_FILE, root) if root is not None else None
    mistakes.raise_any()
    if root is None or team is None:
        raise AssertionError(path)
    check_rules(root, team)
    mistakes.raise_any()
    return team
