"""Commits that must never run a host, by kind: each breaks the project's own code or its jobs.yaml in another place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.following import JOBS

# What breaks only on the host itself passes every proof beforehand.
ON_THE_HOST = "import os\nif 'AUTOMATION_PROVING' not in os.environ:\n    "


@dataclass(frozen=True, slots=True)
class Bad:
    """Text that is added to a file, or stands in place of it; `why` is part of what people are told."""

    path: str
    text: str
    why: str
    replaces: bool = False

    def apply(self, checkout: Path) -> str:
        """Write it and return what was there before."""
        path = checkout / self.path
        good = path.read_text() if path.exists() else ""
        path.write_text(self.text if self.replaces else f"{good}\n{self.text}\n")
        return good


_NO_SYNC = JOBS.format(more="").replace("    sync_before_run: true\n", "")
_DISABLED = JOBS.format(more="").replace('cron: "0/10', 'enabled: false\n    cron: "0/10')
_EXIT_EARLY = "import sys\nif 'run' in sys.argv: sys.exit(0)\nfrom automation.cli.main import main\nsys.exit(main())\n"

REFUSED: dict[str, Bad] = {
    "import": Bad("monitoring/store/tables/runs.py", "import nothing_of_that_name", "nothing_of_that_name"),
    "validate": Bad("automation/jobs.yaml", "profiles: [", "jobs.yaml:", replaces=True),
    "start of a run": Bad(
        "automation/runner/run.py", "Runner.run = lambda self: self.no_such_method()", "no_such_method"
    ),
    "start of a task": Bad("automation/runner/workspace.py", "Workspace.ready = lambda *_: 1 / 0", "division by zero"),
    "fork server": Bad(
        "automation/executor/task_child.py", "Interpreter.of_this_process = classmethod(lambda *_: 1 / 0)", "alert"
    ),
    "store": Bad("monitoring/store/tables/runs.py", "def finish(*_, **__): raise RuntimeError('lost')", "lost"),
    "a store that lies": Bad(
        "monitoring/store/tables/runs.py", "def finish(*_, **__): return True", "never ended its row"
    ),
    "delivery": Bad(
        "monitoring/alerts/senders/telegram/sender.py", "TelegramSender.send = lambda *_, **__: 1 / 0", "its own run"
    ),
    "the sync": Bad("automation/sync/sync.py", "def sync(*_, **__): raise SystemExit(1)", "wrote no row"),
    "the sync of the commit after it": Bad(
        "automation/sync/attempt.py", "SyncAttempt._judge = lambda *_: [][1]", "its own sync does not follow"
    ),
    "command line": Bad("automation/cli/commands/run.py", "def run(args, settings): return args.nothing", "nothing"),
    "an entry that does nothing": Bad("automation/__main__.py", _EXIT_EARLY, "wrote no row", replaces=True),
    "migration": Bad(
        "monitoring/store/migrations/9999_bad.sql", "INSERT INTO no_such_table VALUES (1);", "its own run"
    ),
    "no profile syncs": Bad("automation/jobs.yaml", _NO_SYNC, "does not follow origin", replaces=True),
    "every profile disabled": Bad("automation/jobs.yaml", _DISABLED, "does not follow origin", replaces=True),
    "dependency": Bad(
        "requirements.lock", f"absent-package==1.0 \\\n    --hash=sha256:{'0' * 64}", "lacks: absent-package"
    ),
}

TAKEN_BACK: dict[str, Bad] = {
    "dies before its row": Bad(
        "automation/runner/run.py", f"{ON_THE_HOST}Runner.run = lambda self: self.no_such_method()", "wrote no row"
    ),
    "ends at once and says all is well": Bad(
        "automation/runner/run.py",
        f"{ON_THE_HOST}Runner.run = lambda self: 0",
        "wrote no row and ended with exit code 0",
    ),
    "dies after its row": Bad(
        "automation/runner/run_record.py",
        f"{ON_THE_HOST}RunRecord.finish = lambda *_: os.kill(os.getpid(), 9)",
        "never wrote its end and ended by SIGKILL",
    ),
    "takes no locks over": Bad(
        "monitoring/base/locks/profile_lock.py",
        f"{ON_THE_HOST}FDS_VARIABLE = 'OTHER'",
        "wrote no row and ended with exit code 75",
    ),
}
