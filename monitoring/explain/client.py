"""One question to an OpenAI-compatible server: chat completions, by the project's own HTTP client.

Asked with a JSON schema first; a server that refuses the request is asked once more without. No address, key or text
of the server gets into an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from monitoring.base.errors import MonitoringError
from monitoring.base.http.client import Answer, Failure, HttpClient, Request
from monitoring.explain.explainer_settings import ExplainerSettings

MAX_BYTES = 256 * 1024
_MAX_TOKENS = 600
_OK = 200
# What servers answer that do not know `response_format`, or another of our keys.
_REFUSED_FORM = (400, 404, 415, 422, 501)
_WORDS: Mapping[int, str] = {
    401: "the key is refused", 403: "the key is refused", 404: "there is no such path or model",
    429: "too many requests, or the account is used up",
}  # fmt: skip


class NotExplainedError(MonitoringError):
    """There is no answer; the text says why, in words that name no address. `requests` were sent."""

    def __init__(self, reason: str, requests: int = 1) -> None:
        self.requests = requests
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A model's text, what it cost by the server's own count, and whether the server took the schema."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: int
    requests: int
    by_schema: bool


def ask(
    settings: ExplainerSettings, system: str, question: str, schema: Mapping[str, Any], timeout_s: float,
    *, by_schema: bool = True, monotonic: Callable[[], float] = time.monotonic, http: HttpClient | None = None,
) -> ModelReply:  # fmt: skip
    """Ask once, `timeout_s` in all.

    Raises:
        NotExplainedError: no answer in time, or one that is no answer.
    """
    client, began = http or HttpClient(max_bytes=MAX_BYTES), monotonic()
    forms = [_by_schema(schema), {}] if by_schema else [{}]
    for requests, form in enumerate(forms, 1):
        left = timeout_s - (monotonic() - began)
        if left <= 0:
            raise NotExplainedError(f"no answer within {timeout_s:.3g} s", requests - 1)
        answer = client.exchange(_request(settings, system, question, form), left)
        if isinstance(answer, Failure):
            raise NotExplainedError(answer.what, requests)
        if answer.status in _REFUSED_FORM and requests < len(forms):
            continue
        return _reply(answer, int((monotonic() - began) * 1000), requests, bool(form))
    raise NotExplainedError("the request is refused", len(forms))


def _by_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    form = {"type": "json_schema", "json_schema": {"name": "explanation", "strict": True, "schema": schema}}
    return {"response_format": form, "temperature": 0, "max_tokens": _MAX_TOKENS}


def _request(settings: ExplainerSettings, system: str, question: str, form: Mapping[str, Any]) -> Request:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if settings.key:
        headers["Authorization"] = f"Bearer {settings.key}"
    body = orjson.dumps({"model": settings.model, "messages": messages, "stream": False, **form})
    return Request(f"{settings.base_url}/chat/completions", "POST", headers, body)


def _reply(answer: Answer, latency_ms: int, requests: int, by_schema: bool) -> ModelReply:
    if answer.status != _OK:
        known = _WORDS.get(answer.status, "the request is refused")
        raise NotExplainedError(f"HTTP {answer.status}: {known}", requests)
    try:
        data = orjson.loads(answer.body)
        choice = data["choices"][0]
        message, why = choice["message"], choice.get("finish_reason")
        text, usage = message.get("content"), data.get("usage") or {}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise NotExplainedError("the server does not answer as chat completions do", requests) from None
    if message.get("refusal") or why == "content_filter":
        raise NotExplainedError("the model refuses to answer", requests)
    if not isinstance(text, str) or not text.strip():
        raise NotExplainedError("the answer is empty", requests)
    if why == "length":
        raise NotExplainedError("the answer was cut off", requests)
    counts = [_count(usage, name) for name in ("prompt_tokens", "completion_tokens")]
    return ModelReply(text, counts[0], counts[1], latency_ms, requests, by_schema)


def _count(usage: Any, name: str) -> int:  # noqa: ANN401 - JSON
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) and 0 <= found < 10**9 else 0
