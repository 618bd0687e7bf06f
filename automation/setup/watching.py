"""Turns wishes into files: each address is read, named, and written as a monitor with its drill and its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from automation.jobs.load import load_jobs
from automation.jobs.referenced_monitors import own_monitors
from automation.setup.chain_child import ChainReader
from automation.setup.dialogue import Dialogue
from automation.setup.endpoints import offered, variable
from automation.setup.file_plan import FilePlan
from automation.setup.jobs_file import NAME, OwnTask, with_examples, with_task
from automation.setup.monitor_files import title, watch_files
from automation.setup.watch import WatchWish, check_name, fitting, is_there, read_watch, usual_name, watching_file
from monitoring.base.errors import UsageError
from monitoring.chains.networks import network, own_urls

# How often: Safes as their queue moves, the rest as the shipped monitors.
_PROFILES = {"safe": ("multisig", "0/10 * * * *")}
_USUAL_PROFILE = ("hourly", "5 * * * *")
WHAT_CAN_BE_WATCHED = """
What should be watched? Give the address of a Safe, a timelock, an ERC-4626
vault, a token or another contract, or the URL of an endpoint. This host is
watched in any case."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What `init` adds to a plan for what somebody watches."""

    plan: FilePlan
    config: Path
    dialogue: Dialogue
    reader: Callable[[], ChainReader]  # by what the plan holds by then

    @property
    def jobs_file(self) -> Path:
        return self.config.absolute().with_name("jobs.d") / NAME

    def add(self, watch: WatchWish) -> WatchWish:
        """Plan the files of one wish and return it with its name.

        Raises:
            UsageError: it cannot be read or watched, or its name is taken.
        """
        if watch.kind == "host":
            self.dialogue.say("ok: this host is watched by jobs.yaml (protocols/host)")
            return watch
        found = self.reader().inspect(watch.address, watch.chain) if watch.address else None
        if found is not None:
            self.dialogue.say(f"ok: {title(found)}")
            watch = replace(watch, kind=fitting(watch, found.facts))
        other = watching_file(watch, self._own_files())
        if other is not None and other.parent.name != watch.name:
            self.dialogue.say(f"ok: protocols/{other.parent.name} watches it already")
            watch = replace(watch, name=other.parent.name)
            self._add_task(watch, other)
            return watch
        if not watch.name:
            usual = usual_name(watch, found.facts if found else None)
            watch = replace(watch, name=self._named(usual))
        folder = self.plan.checkout / "protocols" / watch.name
        if is_there(watch, folder):
            self.dialogue.say(f"ok: protocols/{watch.name} watches it already")
        else:
            files = watch_files(watch, found)
            self.plan.env |= files.env
            self.plan.files[folder / "monitor.yaml"] = files.monitor
            if files.drill:
                self.plan.files[folder / "drill.yaml"] = files.drill
        self._add_task(watch, folder / "monitor.yaml")
        return watch

    def examples(self, switch: str) -> None:
        """Plan to switch the shipped examples, if somebody said which way."""
        if switch:
            self.plan.files[self.jobs_file] = with_examples(self._jobs_text(), switch)

    def ask(self) -> list[WatchWish]:
        """Ask for addresses and URLs until there is no more; return what was planned."""
        if not self.dialogue.is_open:
            return []
        self.dialogue.say(WHAT_CAN_BE_WATCHED)
        found: list[WatchWish] = []
        while answer := self.dialogue.ask("Address or URL, Enter for nothing more"):
            try:
                found.append(self.add(self._wish(answer)))
            except UsageError as error:
                self.dialogue.say(f"  {error}")
        return found

    def _wish(self, answer: str) -> WatchWish:
        if answer.startswith(("http://", "https://")):
            return read_watch(f"http:{answer}")
        chain = network(self.dialogue.ask("Chain", "mainnet"))
        environ = {**self.reader().environ}
        if not own_urls(chain, environ) and (own := offered(chain, self.reader(), self.dialogue)):
            self.plan.env[variable(chain)] = own
        return read_watch(f"contract:{chain.slug}:{answer}")

    def _named(self, usual: str) -> str:
        return self.dialogue.until_usable(lambda: self.dialogue.ask("Name", usual), check_name)

    def _own_files(self) -> list[Path]:
        return [self.plan.checkout / file for file in own_monitors(self.config, self.plan.checkout)]

    def _add_task(self, watch: WatchWish, monitor: Path) -> None:
        """Plan a task for a monitor file that none of any jobs file has yet."""
        file = str(monitor.relative_to(self.plan.checkout))
        known = load_jobs(self.config, self.plan.checkout).profiles
        if any(file in task.monitors for profile in known.values() for task in profile.tasks):
            return
        profile, cron = _PROFILES.get(watch.kind, _USUAL_PROFILE)
        task = OwnTask(profile, watch.name, file, "" if profile in known else cron)
        self.plan.files[self.jobs_file] = with_task(self._jobs_text(), task)

    def _jobs_text(self) -> str:
        planned = self.plan.files.get(self.jobs_file)
        if planned is not None:
            return planned
        return self.jobs_file.read_text(encoding="utf-8") if self.jobs_file.exists() else ""
