"""The public endpoints of mainnet and Polygon asked for a key, one endpoint a chain; own ones replaced them wholly.

Right: several public endpoints a chain; own ones go first, then the public ones; `PROVIDER_PUBLIC=off` leaves them out.
"""

from __future__ import annotations

import pytest

from monitoring.chains.networks import network, provider_urls

pytestmark = pytest.mark.case("C.1")
OWN = "http://127.0.0.1:9/own"


@pytest.mark.parametrize("chain", ["mainnet", "polygon", "base", "arbitrum"])
def test_several_public_endpoints_serve_a_chain(chain: str) -> None:
    assert len(provider_urls(network(chain), {})) >= 3


def test_own_endpoints_go_first_and_public_ones_follow() -> None:
    found = provider_urls(network("mainnet"), {"PROVIDER_URL_MAINNET": OWN})

    assert found[0] == OWN
    assert found[1:] == provider_urls(network("mainnet"), {})


def test_public_endpoints_are_switched_off_by_one_variable() -> None:
    environ = {"PROVIDER_URL_MAINNET": OWN, "PROVIDER_PUBLIC": "off"}

    assert (provider_urls(network("mainnet"), environ), provider_urls(network("base"), environ)) == ((OWN,), ())
    assert len(provider_urls(network("mainnet"), {})) > 1
