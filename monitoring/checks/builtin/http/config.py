"""The rows of `http`: which endpoint, and what of it is judged."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta

from monitoring.alerts.message.guidance import NO_GUIDANCE, Guidance
from monitoring.alerts.message.model import Severity
from monitoring.base.yaml.keys import Section, entry
from monitoring.checks.builtin.http.client import Get
from monitoring.checks.config.names import read_expression
from monitoring.checks.config.source import ADDRESS_OF_ANSWER, HEADERS, MAX_AGE, OK, TIME, read_headers
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plugin import PluginContext
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import ANYTHING, BOOLEAN, Expression, Tree
from monitoring.checks.rules.age import AgeLevel, AgePolicy, DeadlinePolicy, DeadlineStep
from monitoring.checks.rules.keys import (
    DURATION,
    GUIDANCE,
    LASTING,
    NUMBER,
    Listed,
    guidance_of,
    pattern,
    severity_row,
    text_of,
)
from monitoring.checks.rules.limit import Level, LimitPolicy, Side
from monitoring.checks.rules.steps import either, seconds_of_span
from monitoring.checks.rules.verb import with_base
from monitoring.conditions.policy import NoDataPolicy, Policy

_STATUSES = range(100, 600)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
# That these are unknown is never reported: while an endpoint is down, its `up` says so.
NEVER_REPORTED = NoDataPolicy(runs=2**31, span=timedelta(days=36500))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row: what is asked, what its answer must be, and the policies of what is judged."""

    name: str
    get: Get
    up: Policy
    status: int | None = None
    ok: Tree | None = None
    ok_text: str = ""
    time: str = ""
    fresh: AgePolicy | None = None
    latency: LimitPolicy | None = None
    certificate: DeadlinePolicy | None = None
    guidance: Guidance = NO_GUIDANCE


NAMED = entry(
    "name",
    text_of("text", "a name"),
    "What the endpoint is called, once in the list.",
    without="what the endpoint is called",
    example="name: api",
)
URL = entry(
    "url",
    ADDRESS_OF_ANSWER,
    "Where it is.",
    default="",
    without="or url_env",
    example="url: https://api.example.org/health",
)
URL_ENV = entry(
    "url_env",
    pattern("name of a variable", _VARIABLE.pattern, lambda at: at.text("a variable")),
    "The variable that holds the URL, if it contains a secret.",
    default="",
    without="or url",
    example="url_env: INDEXER_URL",
)
STATUS = entry(
    "status", NUMBER, "What status it must answer with.", default="", without="any 2xx", example="status: 200"
)
LATENCY = entry("latency", DURATION, "How long an answer may take.", default="", example="latency: 5s")
CERTIFICATE = entry(
    "certificate",
    Listed(DURATION),
    "How long before its certificate ends an alert is sent, from far to near; at its end always.",
    default="",
    example="certificate: [30d, 7d]",
)
ITS_SEVERITY = severity_row(Severity.MEDIUM)
ROW = Section(
    "An endpoint: which, and what of it is judged.",
    NAMED,
    URL,
    URL_ENV,
    HEADERS,
    STATUS,
    OK,
    TIME,
    replace(MAX_AGE, sentence="With time: how old the answer may be."),
    LATENCY,
    CERTIFICATE,
    ITS_SEVERITY,
    *LASTING,
    *GUIDANCE,
)
HTTP = entry(
    "http",
    Listed(ROW, "list of endpoints"),
    "Endpoints: do they answer, with what, how fast.",
    default="",
    example="http: [{name: api, url: https://api.example.org/health}]",
)


def schema(spot: Spot, around: PluginContext) -> tuple[Endpoint, ...] | None:
    """Read the rows; a name stands once."""
    del around
    found: dict[str, Endpoint] = {}
    for item in spot.items("a list of endpoints"):
        endpoint = _endpoint(item)
        if endpoint and endpoint.name in found:
            (item.get("name") or item).wrong(f"{endpoint.name} stands here twice: state is kept by it")
        elif endpoint:
            found[endpoint.name] = endpoint
    return tuple(found.values())


def _endpoint(spot: Spot) -> Endpoint | None:
    spot.only(ROW.keys)
    name, get = spot.value(NAMED), _get(spot)
    up, status, ok = _policy(spot), _status(spot.get(STATUS.name)), _ok(spot.get(OK.name))
    time, fresh = _fresh(spot, up)
    latency, certificate = spot.get(LATENCY.name), spot.get(CERTIFICATE.name)
    if name is None or get is None:
        return None
    return Endpoint(
        name,
        get,
        up,
        status,
        ok.tree if ok else None,
        ok.text if ok else "",
        time,
        fresh,
        _latency(latency, up) if latency else None,
        _certificate(certificate, up, get) if certificate else None,
        guidance_of(spot),
    )


def _get(spot: Spot) -> Get | None:
    url, variable = spot.get(URL.name), spot.get(URL_ENV.name)
    headers = tuple(read_headers(spot.get(HEADERS.name)).items())
    if (url is None) is (variable is None):
        spot.wrong("url says where the endpoint is, or url_env which variable holds a URL that contains a secret")
        return None
    if url:
        text = spot.value(URL)
        return Get(text, headers) if text else None
    name = spot.value(URL_ENV)
    if variable and name and not _VARIABLE.fullmatch(name):
        variable.wrong(f"{name!r} is no name of a variable, as in INDEXER_URL")
        return None
    return Get("", headers, name) if name else None


def _policy(spot: Spot) -> Policy:
    return spot.policy(either(spot.value(ITS_SEVERITY), Severity.MEDIUM))


def _status(spot: Spot | None) -> int | None:
    number = spot.number() if spot else None
    if spot and number is not None and number not in _STATUSES:
        spot.wrong("a status is a whole number from 100 to 599")
        return None
    return int(number) if number is not None else None


def _ok(spot: Spot | None) -> Expression | None:
    found = read_expression(spot, Scope(open=True)) if spot else None
    if spot and found and found.kind not in (BOOLEAN, ANYTHING):
        spot.wrong(f"{BOOLEAN} is needed here, this is {found.kind}")
        return None
    return found


def _fresh(spot: Spot, up: Policy) -> tuple[str, AgePolicy | None]:
    time, oldest = spot.get(TIME.name), spot.get(MAX_AGE.name)
    if (time is None) is not (oldest is None):
        (time or oldest or spot).wrong("time and max_age go together: the path of the answer's own time, and its age")
    path, age = spot.value(TIME), spot.value(MAX_AGE)
    if path is None or age is None:
        return "", None
    return path, with_base(AgePolicy, replace(up, silence=NEVER_REPORTED), levels=(AgeLevel(age, up.severity),))


def _latency(spot: Spot, up: Policy) -> LimitPolicy | None:
    longest = spot.duration()
    if longest is None:
        return None
    levels = (Level(seconds_of_span(longest), up.severity),)
    return with_base(LimitPolicy, replace(up, silence=NEVER_REPORTED), side=Side.ABOVE, levels=levels)


def _certificate(spot: Spot, up: Policy, get: Get) -> DeadlinePolicy | None:
    """Read how long before its end a certificate is reported, as in `[30d, 7d, 1d]`; its end itself always is."""
    if get.variable or not get.url.startswith("https:"):
        spot.wrong("only an https url written here has a certificate to look at")
        return None
    steps: list[DeadlineStep] = []
    for item in spot.items("a list of durations, as in [30d, 7d, 1d]"):
        left = item.duration()
        if left and steps and left >= steps[-1].left:
            item.wrong("steps go from far to near, or they are never reported")
        elif left:
            steps.append(DeadlineStep(left, up.severity))
    steps.append(DeadlineStep(timedelta(0), up.severity))
    return with_base(DeadlinePolicy, replace(up, silence=NEVER_REPORTED), steps=tuple(steps))
