"""`completion SHELL`: prints the script that lets a shell complete commands, flags and names of this host."""

from __future__ import annotations

import argparse

from automation.cli.completion import SHELLS
from automation.cli.console import write_exactly
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings

HELP = "print the completion script of a shell"
EXAMPLES = """\
python -m automation completion bash > ~/.monitoring-completion   # then: source ~/.monitoring-completion
python -m automation completion zsh > ~/.monitoring-completion    # likewise
python -m automation completion fish > ~/.config/fish/completions/monitoring.fish"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", nargs="?", metavar="SHELL", help=", ".join(SHELLS))
    parser.add_argument("--names", metavar="KIND", help="print the names of a kind; the scripts ask for them")


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.names is not None:
        from automation.cli.completion_names import names

        kind, _, of = args.names.partition(":")
        write_exactly("".join(f"{name}\n" for name in names(kind, of, args.config, settings)))
        return 0
    if args.shell not in SHELLS:
        raise UsageError(f"which shell? Write one of {', '.join(SHELLS)}")
    from automation.cli.completion import script
    from automation.cli.main import common_options

    common = argparse.ArgumentParser(add_help=False)
    common_options(common, default=None)
    write_exactly(script(args.shell, common))
    return 0
