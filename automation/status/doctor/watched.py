"""What the enabled tasks watch, for the examinations: asked once."""

from __future__ import annotations

import functools
from pathlib import Path

from automation.jobs.described import Described, described
from automation.jobs.load import load_jobs
from automation.status.doctor import DoctorContext
from monitoring.base.errors import ConfigError


def watched(context: DoctorContext) -> Described:
    """Return what is watched; nothing where jobs.yaml or the files cannot be read, which others report."""
    return _watched(context.config, context.settings.checkout, context.settings.cache_dir)


@functools.cache
def _watched(config: Path, checkout: Path, cache_dir: Path) -> Described:
    try:
        jobs = load_jobs(config, checkout)
    except ConfigError:
        return Described()
    return described(jobs, checkout, cache_dir)
