"""The API and the dashboard as a child of `up`. It gets no secret: its environment is the operator's without them."""

from __future__ import annotations

import os
import sys

from automation.schedule.tended_child import TendedChild
from monitoring.base.secrets.secret_values import is_secret
from monitoring.base.settings import Settings

COMMAND = (sys.executable, "-m", "monitoring.web")
DEFAULT_PORT = "8923"  # of `monitoring.web`, which this process does not import


def web_child(settings: Settings) -> TendedChild:
    return TendedChild("the dashboard", web_environment(settings), COMMAND)


def web_environment(settings: Settings) -> dict[str, str]:
    """Return what the child may know: where the state lies and where to listen, and no secret of any kind."""
    kept = {name: value for name, value in settings.environ.items() if not is_secret(name, value) and name not in _OURS}
    return {
        **kept,
        "PYTHONPATH": str(settings.checkout),
        "CACHE_DIR": str(settings.cache_dir),
        "MONITORING_ENV_FILE": "",  # it is merged already, and read no second time
        "AUTOMATION_WEB_PARENT": str(os.getpid()),
    }


_OURS = frozenset({"AUTOMATION_WEB_PARENT", "MONITORING_ENV_FILE"})
