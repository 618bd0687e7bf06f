"""A candidate for the live tree: a commit checked out separately and validated with its own code.

Called by the sync. Nothing here touches the live checkout, and no secret reaches the candidate's processes: their
environment is made again, so that even what they print can be shown.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from automation.executor.reaper import no_survivors
from automation.sync.command import Finished, run_command
from automation.sync.dependencies import missing_distributions
from automation.sync.following import NOT_FOLLOWING, follows_origin
from automation.sync.git import Git
from automation.sync.trial_run import FOLDER as PROOF
from automation.sync.trial_run import PROOF_LIMIT_S, PROVING, prove_by_running
from monitoring.base.secrets.redact import excerpt

IMPORTS_LIMIT_S = 20.0
LOCK = "requirements.lock"
STATE = ".cache"
_ENTRY = Path("automation/__main__.py")
_KEPT = re.compile(r"PATH|HOME|LANG|TZ|PYTHON\w*")
# The discard port on loopback: whatever honours the variables is refused at once.
_DEAD_PROXY = "http://127.0.0.1:9"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_MISTAKE = re.compile(r":\d+:\d+[ :]")
_PLACE = re.compile(r'^\s*File "([^"<>]+)", line (\d+)', re.MULTILINE)
_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")
_MAX_REASON = 400


@dataclass(frozen=True, slots=True)
class Judgement:
    """What validation found; `needs` names packages the running venv lacks."""

    reason: str = ""
    needs: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.reason


def check_out(git: Git, commit: str, directory: Path, *, time_limit_s: float) -> int:
    """Write the commit's files into a new directory and return how many bytes they are.

    The index is next to the directory: the live one and its lock stay untouched.

    Raises:
        GitError: git could not, for example because an object is damaged or the disk is full.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    index = directory.with_suffix(".index")
    index.unlink(missing_ok=True)
    place = (f"--git-dir={git.directory}", f"--work-tree={directory}")
    git.do(*place, "read-tree", "--reset", "-u", commit, time_limit_s=time_limit_s, GIT_INDEX_FILE=str(index))
    return sum(path.lstat().st_size for path in directory.rglob("*"))


class Prove(Protocol):
    """Lets a candidate run once; returns why it cannot, in one line, or nothing."""

    def __call__(self, candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> str: ...


def validate_candidate(
    candidate: Path, *, environ: Mapping[str, str], time_limit_s: float, prove: Prove = prove_by_running
) -> Judgement:
    """Judge a checked-out commit: what it needs, its own `validate`, the import of its scheduled scripts, its own run.

    Whether this host would still follow origin is judged too: a commit after which no merge arrives any more could
    only be healed by a person at the host.

    Raises:
        OSError: a process cannot be started.
    """
    candidate = candidate.resolve()
    unfit = _unfit(candidate)
    if unfit:
        return Judgement(unfit)
    needed = missing_distributions(candidate / LOCK) if (candidate / LOCK).is_file() else []
    if needed:
        return _lacking(*needed)
    deadline = time.monotonic() + time_limit_s
    own = candidate_environ(candidate, environ)
    with no_survivors():
        refused = _validate(candidate, own, time_limit_s)
        if refused or PROVING in environ:
            return refused or Judgement()
        refused = _import(candidate, own, min(IMPORTS_LIMIT_S, deadline - time.monotonic()))
        if not refused.accepted:
            return refused
        if not follows_origin(candidate):
            return Judgement(
                f"{NOT_FOLLOWING}; to end that on purpose, run on the host: git config monitoring.sync false"
            )
        reason = prove(candidate, environ=own, time_limit_s=min(PROOF_LIMIT_S, deadline - time.monotonic()))
        return Judgement(_shorten(reason, candidate, others=0))


def _unfit(candidate: Path) -> str:
    """Say why a commit cannot even be tried; a link in place of our folder could lead into the live state directory."""
    if not (candidate / _ENTRY).is_file():
        return f"it has no {_ENTRY}: nothing could be run"
    state, proof = candidate / STATE, candidate / PROOF
    in_the_way = [state] if state.is_symlink() or (state.exists() and not state.is_dir()) else []
    in_the_way += [proof] if proof.is_symlink() or proof.exists() else []
    names = " and ".join(path.name for path in in_the_way)
    return f"it holds {names}, where the run of a candidate is kept: remove that" if names else ""


def candidate_environ(candidate: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a candidate's processes: no secret, no network, an empty state directory."""
    state = candidate / STATE
    state.mkdir(exist_ok=True)
    kept = {name: value for name, value in environ.items() if _KEPT.fullmatch(name)}
    kept.pop("PYTHONSAFEPATH", None)
    return {
        **kept,
        **dict.fromkeys(_PROXIES, _DEAD_PROXY),
        "CACHE_DIR": str(state),
        "MONITORING_ENV_FILE": "",
        "PYTHONPATH": str(candidate),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _validate(candidate: Path, environ: Mapping[str, str], limit_s: float) -> Judgement | None:
    argv = [sys.executable, "-m", "automation", "validate"]
    done = run_command(argv, cwd=candidate, environ=environ, time_limit_s=limit_s)
    if done.timed_out:
        return Judgement(f"its own validate was not done after {limit_s:.0f} s")
    return None if done.ok else _explain("validate", done, candidate)


def _import(candidate: Path, environ: Mapping[str, str], limit_s: float) -> Judgement:
    if limit_s <= 0:
        return Judgement("validate left no time to import the scripts")
    argv = [sys.executable, "-m", "automation.import_check", f"{limit_s:.1f}"]
    # The check itself keeps to the limit; ours is for one that does not.
    done = run_command(argv, cwd=candidate, environ=environ, time_limit_s=limit_s + 5)
    if done.timed_out:
        return Judgement(f"its scripts were not imported after {limit_s:.0f} s")
    try:
        failures = json.loads(done.stdout) if done.ok else None
    except ValueError:
        failures = None
    return _explain("import_check", done, candidate) if failures is None else _weigh(failures, candidate)


def _weigh(failures: list[dict[str, str]], candidate: Path) -> Judgement:
    if not failures:
        return Judgement()
    missing = [failure["missing"] for failure in failures if failure.get("missing")]
    lacking = [name.partition(".")[0] for name in missing if _third_party(name, candidate)]
    if lacking:
        return _lacking(*dict.fromkeys(lacking))
    first = "{script} cannot be imported: {kind}: {message}".format_map(failures[0])
    return Judgement(_shorten(first, candidate, others=len(failures) - 1))


def _explain(step: str, done: Finished, candidate: Path) -> Judgement:
    lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    absent = _MISSING_MODULE.search(lines[-1]) if lines else None
    if absent and _third_party(absent[1], candidate):
        return _lacking(absent[1].partition(".")[0])
    mistakes = [line for line in lines if _MISTAKE.search(line)]
    first = mistakes[0] if mistakes else lines[-1] if lines else f"exit code {done.returncode} without a word"
    places = [] if mistakes else _PLACE.findall("\n".join(lines))
    if places:  # a traceback, whose last line does not say where
        first = f"{first.strip()} ({places[-1][0]}, line {places[-1][1]})"
    return Judgement(_shorten(f"{step}: {first.strip()}", candidate, others=max(len(mistakes) - 1, 0)))


def _shorten(text: str, candidate: Path, *, others: int) -> str:
    more = f" (and {others} more)" if others else ""
    return excerpt(text.replace(f"{candidate}/", ""), _MAX_REASON) + more


def _lacking(*names: str) -> Judgement:
    todo = "git fetch && git reset --hard origin/main && make sync && restart"
    return Judgement(f"needs packages this venv lacks: {', '.join(names)}; run: {todo}", names)


def _third_party(module: str, candidate: Path) -> bool:
    root = module.partition(".")[0]
    own = (candidate / root).exists() or (candidate / f"{root}.py").exists()
    return not own and root not in sys.stdlib_module_names
