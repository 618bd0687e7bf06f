"""Settings for every test: hypothesis does not judge the speed of a shared machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")
