"""The crontab that supercronic runs, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from automation.jobs.crontab import render_crontab
from automation.jobs.load import load_jobs
from tests.support.checkouts import write


@pytest.fixture
def jobs_file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.yaml"


def test_the_three_seed_profiles_render_to_exactly_these_lines(jobs_file: Path) -> None:
    write(
        jobs_file,
        """\
profiles:
  hourly: {cron: "5 * * * *", tasks: []}
  daily: {cron: "19 8 * * *", tasks: []}
  multisig: {cron: "0/10 * * * *", sync_before_run: true, tasks: []}
""",
    )
    assert render_crontab(load_jobs(jobs_file, jobs_file.parent)) == (
        "CRON_TZ=UTC\n"
        "5 * * * *\tflock -n /tmp/automation.hourly.lock python -m automation run hourly\n"
        "19 8 * * *\tflock -n /tmp/automation.daily.lock python -m automation run daily\n"
        "0/10 * * * *\tflock -n /tmp/automation.multisig.lock python -m automation run multisig\n"
    )


def test_a_disabled_profile_has_no_line_and_a_schedule_is_rendered_in_its_canonical_form(jobs_file: Path) -> None:
    write(
        jobs_file,
        """\
profiles:
  off: {cron: "5 * * * *", enabled: false, tasks: []}
  odd-days: {cron: "0 6 */10 * mon", tasks: []}
""",
    )
    assert render_crontab(load_jobs(jobs_file, jobs_file.parent)).splitlines() == [
        "CRON_TZ=UTC",
        "0 6 1,11,21,31 * 1\tflock -n /tmp/automation.odd-days.lock python -m automation run odd-days",
    ]
