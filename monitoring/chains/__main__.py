"""`python -m monitoring.chains probe` asks each provider for its chain id and newest block; doctor calls it too.

Shows host names only.
"""

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

if __name__ == "__main__":
    become_owner_of_checkout()

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import orjson

from monitoring.base import log
from monitoring.base.errors import UsageError
from monitoring.base.settings import load_settings
from monitoring.base.terminal import write_whatever_comes
from monitoring.chains.networks import Network, network, networks, provider_mistakes
from monitoring.chains.rpc.pool import Head
from monitoring.chains.rpc.views import Chains


@dataclass(frozen=True, slots=True)
class Probe:
    """What one provider said."""

    chain: str
    chain_id: int
    host: str
    configured: bool  # by the environment; else it is a public one
    ok: bool
    head: int | None
    age_s: float | None
    problem: str


def probe(environ: Mapping[str, str], wanted: Sequence[Network], chains: Chains | None = None) -> list[Probe]:
    """Ask every provider of the chains."""
    made = chains or Chains(environ)
    found = []
    for chain in wanted:
        pool = made.pool(chain)
        for name, problem in provider_mistakes(chain, environ).items():
            found.append(Probe(chain.slug, chain.id, name, True, False, None, None, problem))
        for provider, answer in zip(pool.providers, pool.heads(pool.providers), strict=True):
            now = made.budget.clock.now()
            found.append(_probe(chain, provider.host, answer, now, configured=not provider.is_public))
    return found


def _probe(chain: Network, host: str, answer: Head | Exception, now: datetime, *, configured: bool) -> Probe:
    if not isinstance(answer, Head):
        return Probe(chain.slug, chain.id, host, configured, False, None, None, str(answer))
    age_s = now.timestamp() - answer.timestamp
    problem = f"its newest block is {age_s:.0f} s old" if age_s > chain.max_head_age_s else ""
    return Probe(chain.slug, chain.id, host, configured, not problem, answer.number, round(age_s, 1), problem)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Return 0 if every chain asked has a provider that answers, 1 if not, 2 for a wrong command line."""
    write_whatever_comes()
    parser = argparse.ArgumentParser(prog="python -m monitoring.chains", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    asking = verbs.add_parser("probe", help="ask each provider for its chain id and newest block")
    asking.add_argument("--json", action="store_true", help="one JSON list on stdout")
    asking.add_argument("named", nargs="*", metavar="CHAIN", help="only these chains (slug or id)")
    asking.add_argument("--chain", action="append", default=[], metavar="CHAIN", help="likewise")
    options = parser.parse_args(argv)
    try:
        settings = load_settings(environ)
        log.set_up(settings.environ)
        named = [*options.named, *options.chain]
        wanted = [network(chain) for chain in named] if named else list(networks().values())
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    found = probe(settings.environ, wanted)
    write = sys.stdout.write
    if options.json:
        write(orjson.dumps([asdict(one) for one in found], option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for one in found:
            write(_line(one) + "\n")
    answered = {one.chain for one in found if one.ok}
    return 0 if answered == {chain.slug for chain in wanted} else 1


def _line(one: Probe) -> str:
    state = f"block {one.head}, {one.age_s:.0f} s old" if one.ok and one.age_s is not None else one.problem
    return f"{'ok  ' if one.ok else 'FAIL'} {one.chain:<10} {one.host}: {state}"


if __name__ == "__main__":
    sys.exit(main())
