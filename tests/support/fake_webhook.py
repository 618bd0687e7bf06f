"""A machine that listens for signed alerts: keeps what arrives and checks the signature over the received bytes."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from tools.scripted_server import Answer, Request, ScriptedServer

__all__ = ["SECRET", "Answer", "FakeWebhook", "Request"]

SECRET = "a webhook's secret that no log may show"


class FakeWebhook(ScriptedServer):
    """Answers 204 unless scripted; `verified` are the bodies whose signature held, in order."""

    def respond(self, _request: Request) -> Answer:
        return Answer(204)

    @property
    def verified(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in list(self.requests) if is_signed(request)]


def is_signed(request: Request, secret: str = SECRET) -> bool:
    """Verify as any receiver of GitHub's webhooks does."""
    expected = "sha256=" + hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, request.headers.get("x-hub-signature-256", ""))
