"""The explainer's settings: off by default, and never half on without a word."""

from __future__ import annotations

import pytest

from monitoring.base.errors import UsageError
from monitoring.explain.explainer_settings import child_environment, explainer_settings, is_wanted

LOCAL = {"LLM_BASE_URL": "http://127.0.0.1:8080/v1/", "LLM_MODEL": "small"}
FAR = {"LLM_BASE_URL": "https://models.example/v1", "LLM_MODEL": "large", "LLM_API_KEY": "sk-secret-of-mine"}


@pytest.mark.parametrize("environ", [{}, {"LLM_API_KEY": "left from before"}, {"LLM_MODEL": " ", "LLM_BASE_URL": ""}])
def test_it_is_off_without_server_and_model(environ: dict[str, str]) -> None:
    assert explainer_settings(environ) is None
    assert not is_wanted(environ)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:8/v1", "http://10.0.0.7/v1"]
)
def test_a_server_of_this_machine_or_its_network_needs_no_key(url: str) -> None:
    found = explainer_settings(LOCAL | {"LLM_BASE_URL": url})

    assert found is not None
    assert found.is_local


def test_what_is_not_set_has_a_default_and_no_text_holds_the_key() -> None:
    found = explainer_settings(FAR)

    assert found is not None
    assert (found.deadline.total_seconds(), found.daily_requests, found.daily_tokens) == (90, 200, 500_000)
    assert "sk-secret-of-mine" not in repr(found)
    assert found.host == "models.example"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"LLM_MODEL": ""}, "LLM_MODEL is not set"),
        ({"LLM_BASE_URL": ""}, "LLM_BASE_URL is not set"),
        ({"LLM_API_KEY": ""}, "LLM_API_KEY is not set"),
        ({"LLM_BASE_URL": "http://models.example/v1"}, "begins with http"),
        ({"LLM_BASE_URL": "http://0.0.0.0/v1", "LLM_API_KEY": ""}, "LLM_API_KEY is not set"),
        ({"LLM_BASE_URL": "models.example/v1"}, "is not the address of a server"),
        ({"LLM_BASE_URL": "https://user:pass@models.example/v1"}, "is not the address of a server"),
        ({"LLM_BASE_URL": "https://models.example:x/v1"}, "is not the address of a server"),
        ({"LLM_BASE_URL": "file:///etc/passwd"}, "is not the address of a server"),
        ({"LLM_DEADLINE_S": "1"}, "LLM_DEADLINE_S must be from 5 to 600 seconds"),
        ({"LLM_DAILY_REQUESTS": "0"}, "LLM_DAILY_REQUESTS must be a whole number greater than 0"),
        ({"LLM_DAILY_TOKENS": "many"}, "LLM_DAILY_TOKENS must be a whole number"),
    ],
)
def test_what_cannot_be_used_is_named_without_its_value(change: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        explainer_settings(FAR | change)

    assert "sk-secret-of-mine" not in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_its_process_sees_its_own_settings_and_the_way_out_and_nothing_else() -> None:
    environ = {
        **FAR, "PATH": "/bin", "https_proxy": "http://proxy", "PROVIDER_URL_MAINNET": "https://rpc/KEY",
        "TELEGRAM_BOT_TOKEN_DEFAULT": "1:a", "SAFE_API_KEY": "s", "WEBHOOK_SECRET": "w", "LLM_OTHER": "x",
    }  # fmt: skip

    assert child_environment(environ, "/cache") == {
        **FAR, "PATH": "/bin", "https_proxy": "http://proxy", "CACHE_DIR": "/cache", "MONITORING_ENV_FILE": "",
    }  # fmt: skip
