"""`python -m monitoring.chains`: `probe` asks each provider what it can do, `inspect` what an address is.

For doctor, `init` and `probe` of the command line, which start it as a child. Shows host names only.
"""

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

if __name__ == "__main__":
    become_owner_of_checkout()

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import orjson

from monitoring.base import log
from monitoring.base.errors import UsageError
from monitoring.base.settings import load_settings
from monitoring.base.terminal import write_whatever_comes
from monitoring.chains.abi.addresses import check_address
from monitoring.chains.abi.values import Unknown
from monitoring.chains.inspection.control import inspect, unread
from monitoring.chains.inspection.endpoint import read_capabilities
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
    archive: bool | None = None  # whether it has old state, and how many blocks of logs it gives: if that was asked
    log_range: int | None = None


def probe(
    environ: Mapping[str, str], wanted: Sequence[Network], chains: Chains | None = None, *, deep: bool = False
) -> list[Probe]:
    """Ask every provider of the chains; `deep` also for old state and logs."""
    made = chains or Chains(environ)
    found = []
    for chain in wanted:
        pool = made.pool(chain)
        for name, problem in provider_mistakes(chain, environ).items():
            found.append(Probe(chain.slug, chain.id, name, True, False, None, None, problem))
        for provider, answer in zip(pool.providers, pool.heads(pool.providers), strict=True):
            now = made.budget.clock.now()
            one = _probe(chain, provider.host, answer, now, configured=not provider.is_public)
            if deep and isinstance(answer, Head):
                able = read_capabilities(chain, answer)
                one = replace(one, archive=able.archive, log_range=able.log_range)
            found.append(one)
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
    asking.add_argument("--deep", action="store_true", help="also ask for old state and for ranges of logs")
    looking = verbs.add_parser("inspect", help="say what an address is and who controls it, as JSON")
    looking.add_argument("address", metavar="ADDRESS")
    looking.add_argument("--chain", required=True, metavar="CHAIN", help="where it is (slug or id)")
    options = parser.parse_args(argv)
    try:
        settings = load_settings(environ)
        log.set_up(settings.environ)
        logging.getLogger("monitoring.chains.pool").setLevel(logging.ERROR)  # each endpoint has its own line here
        if options.verb == "inspect":
            return _inspect(options.address, network(options.chain), settings.environ)
        named = [*options.named, *options.chain]
        wanted = [network(chain) for chain in named] if named else list(networks().values())
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    found = probe(settings.environ, wanted, deep=options.deep)
    write = sys.stdout.write
    if options.json:
        rows = [asdict(one) for one in found]
        for row in rows if not options.deep else ():
            del row["archive"], row["log_range"]  # they were not asked for
        write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for one in found:
            write(_line(one) + "\n")
    answered = {one.chain for one in found if one.ok}
    return 0 if answered == {chain.slug for chain in wanted} else 1


def _inspect(address: str, chain: Network, environ: Mapping[str, str]) -> int:
    """Write what was found; 0 also where the chain cannot be read, which is then said of the address."""
    view = Chains(environ).view(chain)
    start = check_address(address)
    found = unread(chain.slug, start, view) if isinstance(view, Unknown) else inspect(view, start)
    sys.stdout.write(json.dumps(asdict(found)) + "\n")  # amounts have more than 64 bits: orjson takes none of those
    return 0


def _line(one: Probe) -> str:
    state = f"block {one.head}, {one.age_s:.0f} s old" if one.ok and one.age_s is not None else one.problem
    return f"{'ok  ' if one.ok else 'FAIL'} {one.chain:<10} {one.host}: {state}"


if __name__ == "__main__":
    sys.exit(main())
