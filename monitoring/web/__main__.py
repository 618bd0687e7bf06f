"""`python -m monitoring.web`: serves the API and the dashboard on `MONITORING_API_HOST`:`MONITORING_API_PORT`."""

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

if __name__ == "__main__":
    become_owner_of_checkout()

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace

from monitoring.base import process_identity
from monitoring.base.errors import MonitoringError, UsageError
from monitoring.base.log import set_up
from monitoring.base.secrets.secret_values import is_secret
from monitoring.base.settings import Settings, load_settings
from monitoring.web.host_check import policy_for

HOST = "127.0.0.1"
PORT = 8923


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; 2 if the settings cannot be used."""
    argparse.ArgumentParser(
        prog="python -m monitoring.web",
        description="Serve the read-only API and the dashboard. It takes no arguments.",
        epilog="Environment: MONITORING_API_HOST and MONITORING_API_PORT set the address (127.0.0.1 and 8923), "
        "CACHE_DIR the database, MONITORING_PUBLIC_URL the address that people use, if a proxy or a tunnel has one.",
    ).parse_args(arguments)
    try:
        settings = without_secrets(load_settings())
        end_with_parent(settings.environ)
        host, port = address(settings.environ)
        policy = policy_for(host, port, settings.environ)
    except MonitoringError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    set_up(settings.environ)

    from monitoring.web.app import build_app  # noqa: PLC0415 - a wrong setting is reported before the dear imports
    from monitoring.web.server import serve  # noqa: PLC0415

    load_all()
    serve(build_app(settings, policy), host, port)
    return 0


def load_all() -> None:
    """Read now what is otherwise read when it is first asked for: a sync replaces the files under this process."""
    from monitoring.web import api  # noqa: PLC0415 - as above
    from monitoring.web.api import metrics  # noqa: F401, PLC0415 - as above
    from monitoring.web.pages import templating  # noqa: PLC0415 - as above

    api.openapi()
    templating.load_templates()


def address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return where to listen.

    Raises:
        UsageError: the port is not one.
    """
    text = environ.get("MONITORING_API_PORT") or str(PORT)
    if not (text.isascii() and text.isdecimal() and 0 <= int(text) <= 65535):  # noqa: PLR2004 - of TCP
        raise UsageError(f"MONITORING_API_PORT={text!r} is not a port: write a number up to 65535")
    host = (environ.get("MONITORING_API_HOST") or HOST).strip()
    if host.startswith("[") and host.endswith("]"):  # as an address with a port is written
        host = host[1:-1]
    return host, int(text)


def without_secrets(settings: Settings) -> Settings:
    """Return the settings without every value that is secret: this process has no use for one."""
    return replace(settings, environ={k: v for k, v in settings.environ.items() if not is_secret(k, v)})


def end_with_parent(environ: Mapping[str, str]) -> None:
    """As a child of `up`, whose pid `AUTOMATION_WEB_PARENT` is: let the kernel end this process when that one dies."""
    parent = environ.get("AUTOMATION_WEB_PARENT")
    if parent is None:
        return
    if not process_identity.end_with_parent(parent):
        raise UsageError(f"AUTOMATION_WEB_PARENT={parent} is not the parent of this process: unset it")


if __name__ == "__main__":
    sys.exit(main())
