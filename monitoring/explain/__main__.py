"""`python -m monitoring.explain`: explains what is due and ends; `probe` asks the server once and says what came.

Started by a run as a child with its own settings and no others; by hand for `probe` alone.
"""

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

if __name__ == "__main__":
    become_owner_of_checkout()

import argparse
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from monitoring.base import log
from monitoring.base.clock import SystemClock
from monitoring.base.errors import MonitoringError, StoreError, UsageError
from monitoring.base.settings import Settings, load_settings
from monitoring.explain.client import ModelReply, NotExplainedError, ask
from monitoring.explain.explainer_settings import BASE_URL, MODEL, ExplainerSettings, explainer_settings

_PROBE_S = 20.0
_GRACE_S = 5  # after the last deadline: then the process ends, whatever it waits for
EXTRA_MISSING = "the extra `ai` is not installed: type `make sync EXTRAS=ai`"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m monitoring.explain", description=__doc__)
    parser.add_argument("verb", nargs="?", choices=("run", "probe"), default="run")
    verb = parser.parse_args(arguments).verb
    settings = load_settings()
    log.set_up(settings.environ)
    try:
        wanted = explainer_settings(settings.environ)
        if wanted is None:
            print(f"the explainer is off: set {BASE_URL} and {MODEL}")  # noqa: T201 - the result of a command
            return 0
        return probe(wanted) if verb == "probe" else run(settings, wanted)
    except ImportError:
        logging.getLogger("monitoring.explain").error(EXTRA_MISSING)  # noqa: TRY400 - one line
        return 2
    except UsageError as error:
        logging.getLogger("monitoring.explain").error("%s", error)  # noqa: TRY400 - one line
        return 2


def run(settings: Settings, wanted: ExplainerSettings) -> int:
    """Explain what is due."""
    from monitoring.explain.step import Explainer  # noqa: PLC0415 - it needs the extra: its lack is reported above
    from monitoring.store.db.schema import open_database  # noqa: PLC0415 - `probe` opens no database

    signal.alarm(int(wanted.deadline.total_seconds()) + _GRACE_S)
    try:
        with open_database(settings.database) as database:
            Explainer(database, wanted, SystemClock(), asking(wanted)).run()
    except StoreError as error:
        logging.getLogger("monitoring.explain").warning("nothing is explained: %s", error)
        return 1
    return 0


def asking(wanted: ExplainerSettings) -> Any:  # noqa: ANN401 - `AskModel`, whose module needs the extra
    def asked(system: str, text: str, schema: Mapping[str, Any], seconds: float, by_schema: bool) -> ModelReply:
        return ask(wanted, system, text, schema, seconds, by_schema=by_schema)

    return asked


def probe(wanted: ExplainerSettings) -> int:
    """Ask about a fact of our own and say what came; nothing of this host leaves it."""
    from monitoring.explain.probe import ask_about_nothing  # noqa: PLC0415 - as above

    try:
        print(ask_about_nothing(wanted, asking(wanted), _PROBE_S))  # noqa: T201 - the result of a command
    except (MonitoringError, NotExplainedError) as error:
        print(f"{wanted.model} at {wanted.host}: {error}")  # noqa: T201 - the result of a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
