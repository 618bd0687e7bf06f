"""A byte-order mark made a document "not JSON", a redirect did not say where to, a mistyped provider not which one.

Input: a JSON source that begins with a BOM; one that answers 301, 302, 307 or 308; a provider that redirects;
`wss://` as a provider, two addresses by comma, an unescaped `#` or `/` in a password, quotes, no scheme. Right result:
the document is read; the message says scheme, host and path of the target, no query and no key; the variable and the
remedy are named, no part of its value is, and the chain is read by what is left.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from monitoring.chains.networks import network, provider_mistakes, provider_urls
from tests.support.checks_host import ChecksHost
from tests.support.http_service import Reply, http_service
from tests.support.rpc_server import Provider, serving

pytestmark = pytest.mark.case("C.8")
A = "0x" + "11" * 20
SUPPLY = "totalSupply()(uint256)"
KEY = "s3cr3tk3y0fth30p3rat0r"
SOURCE = """
monitor: api
sources: {{held: {{url: "{url}/v1/collateral?key={key}", number: held}}}}
chain: 1
checks: [{{id: held, require: held >= 10, severity: high}}]
"""
CHAIN = f"""
monitor: one
chain: 1
contracts: {{a: "{A}"}}
checks: [{{id: floor, require: a.totalSupply() >= 100, severity: high}}]
"""
MISTAKES = {
    f"wss://node.example/{KEY}": "WebSocket",
    f"https://one.example/{KEY}, https://two.example/{KEY}": "several addresses",
    f"https://one.example/{KEY},https://two.example/{KEY}": "several addresses",
    f"https://user:pa#ss{KEY}@node.example/": "%23",
    f"https://node.example/v2/{KEY}#prod": "%23",
    f"https://user:pa/{KEY}@node.example/": "%2F",
    f"https://user:{KEY}@node.example:port/": "malformed",
    f"'https://node.example/{KEY}'": "quotes",
    f"node.example/{KEY}": "does not begin with https://",
    f"https://node.example/ {KEY}": "space",
    "https:///v2": "names no host",
}


def test_a_document_that_begins_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    with http_service(lambda _: Reply(b'\xef\xbb\xbf{"held": 12}')) as service:
        host = ChecksHost(tmp_path)
        (line, *_) = host.run(host.file(SOURCE.format(url=service.url, key=KEY)))
    assert " ok " in line
    assert host.told == []


def test_a_provider_s_answer_that_begins_with_one_is_read(tmp_path: Path) -> None:
    provider = Provider(
        body=b'\xef\xbb\xbf{"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "the moon"}}'
    )
    with serving(provider) as (url,):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": url})
        (line,) = host.run_without_data(host.file(CHAIN))
    assert "the moon" in line or "not answer batches" in line
    assert "not JSON" not in line


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_says_where_to_without_a_key(tmp_path: Path, status: int) -> None:
    to = f"https://user:{KEY}@www.example.org/v2/collateral/{KEY}?apikey={KEY}#{KEY}"
    with http_service(lambda _: Reply({}, status, {"location": to})) as service:
        host = ChecksHost(tmp_path)
        done = host.do("run", host.file(SOURCE.format(url=service.url, key=KEY)))
    assert f"HTTP {status} (moved to https://www.example.org/v2/collateral/…)" in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_a_redirect_to_a_path_is_said_with_its_host(tmp_path: Path) -> None:
    with http_service(lambda _: Reply({}, 301, {"location": "/v2/collateral"})) as service:
        host = ChecksHost(tmp_path)
        (line, *_) = host.run_without_data(host.file(SOURCE.format(url=service.url, key=KEY)))
    assert f"moved to {service.url}/v2/collateral" in line


def test_a_provider_that_redirects_says_to_which_host_and_nothing_of_the_path(tmp_path: Path) -> None:
    with http_service(lambda _: Reply({}, 308, {"location": f"https://new.example/v3/{KEY}"})) as service:
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": service.url})
        done = host.do("run", host.file(CHAIN))
    assert "HTTP 308 (moved to https://new.example/…)" in done.stdout
    assert KEY not in done.stdout + done.stderr


@pytest.mark.ci
@pytest.mark.parametrize("value", list(MISTAKES)[:4:3])  # what each is called is tested without a process below
def test_a_provider_written_wrongly_is_named_with_the_remedy_and_the_others_are_read(
    tmp_path: Path, value: str
) -> None:
    provider = Provider(head_time=time.time, views={(A, SUPPLY): 150})
    with serving(provider) as (url,):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": value, "PROVIDER_URL_MAINNET_1": url})
        for _ in range(3):
            (line, *_) = host.run(host.file(CHAIN))
            assert " ok " in line
        assert host.told == ["LOW alert Ethereum: provider PROVIDER_URL_MAINNET failed in 3 consecutive runs"]
        ((message,),) = host.rows("SELECT message FROM alert_events")
        assert MISTAKES[value] in message
        assert KEY not in message
        host.environ["PROVIDER_URL_MAINNET"] = url
        host.environ.pop("PROVIDER_URL_MAINNET_1")
        host.run(host.file(CHAIN))
        assert len(host.told) == 2, "what was written rightly is over"
        assert "recovery" in host.told[1]


@pytest.mark.parametrize("value", MISTAKES)
def test_no_part_of_the_value_is_in_what_is_said_of_it(value: str) -> None:
    environ = {"PROVIDER_URL_MAINNET_2": value}
    (problem,) = provider_mistakes(network("mainnet"), environ).values()
    assert MISTAKES[value] in problem
    assert KEY not in problem
    assert "node.example" not in problem
    assert provider_urls(network("mainnet"), environ) == network("mainnet").public_rpcs


@pytest.mark.parametrize(
    "value",
    [
        "https://node.example",
        "http://127.0.0.1:8545/",
        "https://u:p%23%2F@node.example/v3/a,b;c?x=1",
        "HTTPS://[::1]:8545/k",
    ],
)
def test_a_sound_address_has_no_problem(value: str) -> None:
    assert provider_mistakes(network("mainnet"), {"PROVIDER_URL_MAINNET": value}) == {}
