"""Whether a checkout follows its origin at all, by its jobs.yaml; for validation, `status` and `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

JOBS = "automation/jobs.yaml"
JOBS_D = "automation/jobs.d"
NOT_FOLLOWING = "no enabled profile has `sync_before_run: true`: a host with this jobs.yaml does not follow origin"


def follows_origin(checkout: Path) -> bool:
    """Return whether an enabled profile brings the checkout up to date; also where jobs.yaml cannot be read.

    Read without the code of the checkout: `enabled` and `sync_before_run` mean the same in every release. Of a file
    that cannot be read the schedule in force decides whether to sync.
    """
    files = [checkout / JOBS, *(checkout / JOBS_D).glob("[!.]*.yaml")]
    try:
        jobs = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
        profiles: dict[str, dict[str, Any]] = {}
        for found in filter(None, jobs):  # a further file may be empty, or hold nothing but a switch
            for name, keys in found.get("profiles", {}).items():
                profiles[name] = {**profiles.get(name, {}), **keys}
        return any(map(_syncs, profiles.values()))
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError, AttributeError):
        return True


def _syncs(profile: dict[str, Any]) -> bool:
    return profile.get("sync_before_run") is True and profile.get("enabled", True) is not False
