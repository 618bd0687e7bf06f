"""Which requests are answered: by the address that is listened on, the public address, and what a browser says."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.datastructures import Headers

from monitoring.base.errors import UsageError
from monitoring.base.public_address import public_host
from monitoring.web.host_check import HostPolicy, policy_for, refusal

PUBLIC = {"MONITORING_PUBLIC_URL": "https://Watch.Example:8443/monitoring"}
NOWHERE = Path("/nowhere")


def status(policy: HostPolicy, *hosts: str, **headers: str) -> int:
    pairs = [("host", host) for host in hosts] + [(name.replace("_", "-"), value) for name, value in headers.items()]
    raw = [(name.lower().encode(), value.encode()) for name, value in pairs]
    error = refusal(policy, Headers(raw=raw))
    return error.status if error else 200


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_loopback_only_loopback_names_and_the_public_host_are_answered(bind: str) -> None:
    policy = policy_for(bind, 8923, PUBLIC, NOWHERE)
    for host in ("127.0.0.1", "LOCALHOST:1", "[::1]:8923", "watch.example", "Watch.Example:443", "localhost.",
                 "watch.example.:1"):  # fmt: skip
        assert status(policy, host) == 200, host
    for host in ("attacker.example", "watch.example.attacker.example", "localhost..", "127.0.0.1@x", "watch.example:x",
                 "127.0.0.3", "[::2]", "localhost:8923/", "", " "):  # fmt: skip
        assert status(policy, host) == 421, host


def test_none_and_two_hosts_are_refused() -> None:
    policy = policy_for("127.0.0.1", 8923, {}, NOWHERE)
    assert status(policy) == 421
    assert status(policy, "localhost", "attacker.example") == 421


def test_the_address_that_is_listened_on_is_one_of_its_names() -> None:
    assert status(policy_for("127.0.0.2", 8923, {}, NOWHERE), "127.0.0.2:8923") == 200


@pytest.mark.parametrize("bind", ["0.0.0.0", "10.8.0.1", "::", "fd00::1"])
def test_on_a_network_every_name_is_answered(bind: str) -> None:
    assert status(policy_for(bind, 8923, {}, NOWHERE), "vps1.internal:8923") == 200


@pytest.fixture
def older_site(tmp_path: Path) -> Path:
    site = tmp_path / "monitoring"
    site.write_text("proxy_set_header Host $host;\n")
    return site


def test_behind_an_older_nginx_site_a_host_without_port_is_answered_and_what_a_browser_sends_is_not(
    older_site: Path,
) -> None:
    policy = policy_for("127.0.0.1", 8923, {}, older_site)
    assert status(policy, "watch.example") == 200
    assert status(policy, "attacker.example:8923") == 421


def test_an_older_nginx_site_counts_no_longer_once_the_public_address_is_set_or_browsers_leave_the_port_out(
    older_site: Path,
) -> None:
    assert status(policy_for("127.0.0.1", 8923, PUBLIC, older_site), "attacker.example") == 421
    assert status(policy_for("127.0.0.1", 80, {}, older_site), "attacker.example") == 421
    older_site.write_text("proxy_set_header Host localhost;\n")
    assert status(policy_for("127.0.0.1", 8923, {}, older_site), "attacker.example") == 421


@pytest.mark.parametrize(
    ("mode", "dest", "expected"),
    [
        ("navigate", "document", 200),  # a link in a chat
        ("navigate", "iframe", 403),
        ("no-cors", "image", 403),
        ("cors", "empty", 403),
    ],
)
def test_a_page_of_another_site_may_link_here_and_do_nothing_else(mode: str, dest: str, expected: int) -> None:
    policy = policy_for("127.0.0.1", 8923, {}, NOWHERE)
    fetch = {"Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
    assert status(policy, "localhost", Sec_Fetch_Site="cross-site", **fetch) == expected
    assert status(policy, "localhost", Sec_Fetch_Site="same-origin", **fetch) == 200
    assert status(policy, "localhost", Sec_Fetch_Site="none", **fetch) == 200


@pytest.mark.parametrize(
    "value",
    ["watch.example", "ftp://watch.example", "https://", "https://user:pw@watch.example", "https://watch.example:x",
     "https://[::1", "https://münchen.example"],
)  # fmt: skip
def test_a_public_address_that_is_none_is_refused_with_an_example(value: str) -> None:
    with pytest.raises(UsageError, match=r"MONITORING_PUBLIC_URL=.* is not a web address: .*https://monitoring"):
        public_host({"MONITORING_PUBLIC_URL": value})


@pytest.mark.parametrize(
    ("value", "host"),
    [("https://Watch.Example/x", "watch.example"), ("http://[FD00::1]:80", "[fd00::1]"), ("", None), ("  ", None)],
)
def test_the_host_of_the_public_address_is_read(value: str, host: str | None) -> None:
    assert public_host({"MONITORING_PUBLIC_URL": value}) == host
