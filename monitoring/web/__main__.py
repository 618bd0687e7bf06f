"""`python -m monitoring.web`: serves the API and the dashboard on `MONITORING_API_HOST`:`MONITORING_API_PORT`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from monitoring.errors import MonitoringError, UsageError
from monitoring.log import set_up
from monitoring.settings import Settings, load_settings

HOST = "127.0.0.1"
PORT = 8923


def main() -> int:
    """Serve until told to stop; 2 if the address cannot be used."""
    try:
        settings = load_settings()
        host, port = address(settings.environ)
    except MonitoringError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    set_up(settings.environ)
    return _serve(settings, host, port)


def address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return where to listen.

    Raises:
        UsageError: the port is none.
    """
    text = environ.get("MONITORING_API_PORT") or str(PORT)
    if not (text.isascii() and text.isdecimal() and 0 <= int(text) <= 65535):  # noqa: PLR2004 - of TCP
        raise UsageError(f"MONITORING_API_PORT={text!r} is no port: write a number up to 65535")
    return environ.get("MONITORING_API_HOST") or HOST, int(text)


def _serve(settings: Settings, host: str, port: int) -> int:
    from monitoring.web.build import build_site  # noqa: PLC0415 - a wrong setting is told before the imports
    from monitoring.web.server import serve  # noqa: PLC0415

    serve(build_site(settings), host, port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
