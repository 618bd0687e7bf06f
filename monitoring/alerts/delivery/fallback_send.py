"""The way around the database, for when it cannot be written: one message straight to the operators.

Called by the runner, at most once an hour, and never for what could be stored.
"""

from __future__ import annotations

from datetime import UTC, datetime

from monitoring.alerts.delivery.routes import plan
from monitoring.alerts.message.model import Alert, Severity, of_this_host
from monitoring.alerts.senders import Message
from monitoring.alerts.senders.registry import Senders
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.base.errors import SendError
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import Settings


def send_directly(settings: Settings, text: str, *, title: str = "Alerts cannot be stored") -> list[str]:
    """Send a text to the errors channel, else the default chat; return what went wrong, empty if it arrived."""
    redact = Redactor(settings.environ)
    route = plan("", "automation", "ops_error", settings.environ)
    alert = Alert(Severity.HIGH, title, text, protocol="automation", source="ops_error").redacted(redact)
    message = Message(0, datetime.now(UTC), of_this_host(alert))
    troubles = [] if route.destinations else [route.route.value]
    with Senders(settings.environ) as senders:
        for destination in route.destinations:
            if isinstance(destination, TelegramChat) and destination.missing:
                troubles.append(f"not sent to Telegram: {' and '.join(destination.missing)} missing")
                continue
            try:
                senders.send(message, destination)
            except SendError as error:
                troubles.append(redact(str(error)))
    return troubles
