"""`probe`: what an address is, who controls it, and the monitor that would watch it."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from automation.cli.console import write_exactly, write_json
from automation.jobs.referenced_monitors import own_monitors
from automation.setup.chain_child import ChainReader
from automation.setup.control_tree import tree, watches
from automation.setup.monitor_files import watch_files
from automation.setup.watch import watching_file
from monitoring.base.errors import UsageError
from monitoring.base.invocation import WRITTEN, called_as
from monitoring.base.settings import Settings
from monitoring.chains.inspection.model import Inspection

HELP = "say what an address is, who controls it and how to watch it"
EXAMPLES = """\
python -m automation probe 0x6d903f6003cca6255D85CcA4D3B5E5146dC33925 --chain mainnet
python -m automation probe 0x6d903f6003cca6255D85CcA4D3B5E5146dC33925 --chain 1 --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="the address to look at")
    parser.add_argument("--chain", default="mainnet", metavar="CHAIN", help="where it is (default mainnet)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    found = ChainReader(settings.checkout, settings.environ).inspect(args.address, args.chain)
    rows = monitors(found)
    if args.json:
        write_json({**dataclasses.asdict(found), "monitors": rows})
        return 0
    sys.stdout.write(tree(found))
    own = [settings.checkout / file for file in own_monitors(args.config, settings.checkout)]
    for watch in watches(found):
        if watch.name in rows and (file := watching_file(watch, own)):
            sys.stdout.write(f"\n{watch.address}: protocols/{file.parent.name} watches it already\n")
            del rows[watch.name]
    for name, text in rows.items():
        # To be copied: no line is wrapped, no address shortened.
        write_exactly(f"\nprotocols/{name}/monitor.yaml:\n" + "".join(f"  {line}\n" for line in text.splitlines()))
    if rows:
        wishes = "".join(
            f" \\\n  --watch {one.kind}:{one.chain}:{one.address} --name {one.name}"
            for one in watches(found)
            if one.name in rows
        )
        sys.stdout.write("\nTo write these files, with their tasks (and a drill where there are formulas):\n")
        command = called_as() if sys.stdout.isatty() else WRITTEN
        write_exactly(f"{command} init{wishes}\n")
    return 0


def monitors(found: Inspection) -> dict[str, str]:
    """Return the monitor file of all that should be watched, by its name."""
    texts: dict[str, str] = {}
    for watch in watches(found):
        one = dataclasses.replace(found, address=watch.address)
        try:
            texts[watch.name] = watch_files(watch, one).monitor
        except UsageError:
            continue  # what no file without code can watch
    return texts
