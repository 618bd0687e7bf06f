"""The two questions of `http`, and how they are answered: a request with its time, and a certificate's end."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar
from urllib.parse import urlsplit

from monitoring.base.http.client import Answer, Request, tls_context
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.rpc.budget import BudgetSpentError
from monitoring.chains.services.client import NoAnswer, read_json
from monitoring.chains.services.urls import url_problem
from monitoring.checks.engine.point import EvaluationPoint

AT_ONCE = 8  # endpoints asked side by side, so that one that hangs holds up no other
HTTPS_PORT = 443
_AGENT = "monitoring/1"
_MICROSECONDS = 1_000_000
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL
Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Get:
    """Ask for a URL, or for the one that a variable of the environment holds."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    variable: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or self.variable

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for a handshake."""
        return self.host, urlsplit(self.url).port or HTTPS_PORT


@dataclass(frozen=True, slots=True)
class Handshake:
    """Shake hands by TLS, for the certificate alone."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `status` 0 is nothing, with the `trouble` in words. What has no JSON has an unknown `body`."""

    status: int
    body: Json | Unknown
    took_s: Fraction | Unknown
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate ends, as unix time. One that has ended counts as ending now: its own date is not readable."""

    at_s: int


def answer_gets(questions: Sequence[Get], at: EvaluationPoint) -> Mapping[Get, Reply | Unknown]:
    """Ask every endpoint; transient trouble is tried again within the task's budget."""
    return _side_by_side(questions, lambda one: _get(one, at))


def answer_handshakes(questions: Sequence[Handshake], at: EvaluationPoint) -> Mapping[Handshake, Expiry | Unknown]:
    """Shake every hand."""
    return _side_by_side(questions, lambda one: _shake(one, at))


def _side_by_side(questions: Sequence[Q], ask: Callable[[Q], A]) -> dict[Q, A]:
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="http") as pool:
        return dict(zip(questions, pool.map(ask, questions), strict=True))


def _get(question: Get, at: EvaluationPoint) -> Reply | Unknown:
    url = question.url or at.environ.get(question.variable, "")
    if not url:
        return Unknown(f"the variable {question.variable} is not set", question.variable)
    problem = url_problem(url) if question.variable else None
    if problem is not None:
        return Unknown(f"the variable {question.variable} {problem}", question.variable)
    request = Request(url, headers={"user-agent": _AGENT, **dict(question.headers)})
    found = at.service.ask(request)
    if isinstance(found, NoAnswer) and (found.spent or (not found.status and at.service.budget.left_s <= 0)):
        # It was cut short by our own budget: that says nothing of the endpoint.
        return Unknown("what this task has for network reads is used up", request.host)
    return _reply(found)


def _reply(found: Answer | NoAnswer) -> Reply:
    if isinstance(found, Answer):
        return Reply(found.status, read_json(found), Fraction(round(found.took_s * _MICROSECONDS), _MICROSECONDS))
    nothing = Unknown(found.reason, found.source)
    return Reply(found.status, nothing, nothing, found.reason)


def _shake(question: Handshake, at: EvaluationPoint) -> Expiry | Unknown:
    try:
        timeout_s = at.service.budget.request_s()
        with (
            socket.create_connection((question.host, question.port), timeout_s) as plain,
            tls_context().wrap_socket(plain, server_hostname=question.host) as wrapped,
        ):
            certificate = wrapped.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            return Expiry(int(at.clock.now().timestamp()))
        return Unknown(f"{question.host}: its certificate is not believed ({error.verify_message})", question.host)
    except (OSError, BudgetSpentError) as error:
        return Unknown(f"{question.host}: no handshake ({type(error).__name__})", question.host)
    return Expiry(ssl.cert_time_to_seconds(str(certificate["notAfter"])))
