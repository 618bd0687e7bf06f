"""Completion for the short command: a script for each shell, and the names that such a script asks for.

Commands and flags are in the script, which is made from the parsers themselves; names of this host (profiles, keys that
are firing) are asked for when they are needed, by `completion --names KIND`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from automation.cli.commands import command_names, help_line, load_command

SHELLS = ("bash", "fish", "zsh")
# What completes an argument, by its name in the parsers; of other values a shell offers files.
_KINDS = {
    "profile": "profiles", "task": "tasks", "protocol": "protocols", "key": "keys", "done": "happened",
    "end": "silences", "severity": "severities", "tz": "zones",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command; `kind` names what completes its value."""

    names: tuple[str, ...]
    takes_value: bool
    kind: str
    about: str


def script(shell: str, common: argparse.ArgumentParser) -> str:
    """Return the completion script for a shell; `common` has the options of every command."""
    return _fish(common) if shell == "fish" else (_ZSH if shell == "zsh" else "") + _bash(common)


def _flags(parser: argparse.ArgumentParser) -> list[Option]:
    return [
        Option(tuple(each.option_strings), each.nargs != 0, _KINDS.get(each.dest, ""), each.help or "")
        for each in parser._actions  # noqa: SLF001 - argparse has no other way to list them
        if each.option_strings
    ]


def _positional(parser: argparse.ArgumentParser) -> str:
    dests = [each.dest for each in parser._actions if not each.option_strings]  # noqa: SLF001 - likewise
    return _KINDS.get(dests[0], "") if dests else ""


def _parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for name in command_names():
        parser = argparse.ArgumentParser(add_help=False)
        load_command(name).add_arguments(parser)
        yield name, parser


_ZSH = """\
autoload -Uz compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit

"""
# Names come from outside: they are read line by line and quoted, never given to `compgen -W`, which would expand them.
_BASH = """\
_monitoring() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb="" names="" of="" words="" word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --config|--tz) ((i++)) ;;
            -*) ;;
            *)
                if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}
                elif [[ $verb == run && -z $of ]]; then of=${COMP_WORDS[i]}; fi ;;
        esac
        if [[ ${COMP_WORDS[i]} == --protocol ]]; then of=${COMP_WORDS[i+1]}; ((i++)); fi
    done
    case $verb:$prev in
@VALUES@
    esac
    if [[ -z $names && $cur != -* ]]; then
        case $verb in
@POSITIONALS@
        esac
    fi
    if [[ -n $names ]]; then
        while IFS= read -r word; do
            if [[ $word == "$cur"* ]]; then printf -v word %q "$word"; COMPREPLY+=("$word"); fi
        done < <("${COMP_WORDS[0]}" completion --names "$names:$of" 2>/dev/null)
        return
    fi
    case $verb in
@FLAGS@
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _monitoring monitoring
"""


def _bash(common: argparse.ArgumentParser) -> str:
    values, positionals = _bash_values("*", _flags(common)), list[str]()
    flags = [f'        "") words="{" ".join(command_names())} --help --version{_options(_flags(common))}" ;;']
    for name, parser in _parsers():
        found = _flags(parser)
        values += _bash_values(name, found)
        if kind := _positional(parser):
            positionals.append(f"            {name}) names={kind} ;;")
        flags.append(f'        {name}) words="--help{_options([*found, *_flags(common)])}" ;;')
    filled = {"@VALUES@": values, "@POSITIONALS@": positionals, "@FLAGS@": flags}
    text = _BASH
    for place, lines in filled.items():
        text = text.replace(place, "\n".join(lines))
    return text


def _bash_values(name: str, flags: Sequence[Option]) -> list[str]:
    """Return the patterns of what a value is completed with, after each flag that takes one."""
    return [
        f"        {'|'.join(f'{name}:{each}' for each in flag.names)}) "
        + (f"names={flag.kind} ;;" if flag.kind else "return ;;")
        for flag in flags
        if flag.takes_value
    ]


def _options(flags: Sequence[Option]) -> str:
    return "".join(f" {each}" for flag in flags for each in flag.names)


def _fish(common: argparse.ArgumentParser) -> str:
    lines = ["complete -c monitoring -f"]
    lines += [_fish_flag("complete -c monitoring", flag) for flag in _flags(common)]
    for name, parser in _parsers():
        lines.append(f"complete -c monitoring -n __fish_use_subcommand -a {name} -d {_quoted(help_line(name))}")
        seen = f"complete -c monitoring -n '__fish_seen_subcommand_from {name}'"
        if kind := _positional(parser):
            lines.append(f"{seen} -a {_asked(kind)}")
        lines += [_fish_flag(seen, flag) for flag in _flags(parser)]
    return "\n".join(lines) + "\n"


def _fish_flag(where: str, flag: Option) -> str:
    options = " ".join(f"-l {each[2:]}" if each[:2] == "--" else f"-s {each[1:]}" for each in flag.names)
    value = (f" -x -a {_asked(flag.kind)}" if flag.kind else " -r -F") if flag.takes_value else ""
    return f"{where} {options}{value} -d {_quoted(flag.about)}"


def _asked(kind: str) -> str:
    return f"'(command (commandline -opc)[1] completion --names {kind} 2>/dev/null)'"


def _quoted(text: str) -> str:
    return "'" + text.replace("%%", "%").replace("\\", "\\\\").replace("'", "\\'") + "'"
