"""The JSON API: one function a route. Each returns what becomes JSON by `serializers`; the contract is openapi.yaml.

Tests: `tests/integration/test_web_*.py`, `tests/contract/test_web_docs.py`.
"""

from __future__ import annotations

from monitoring.web.api import alerts, checks, runs, watched, whole
from monitoring.web.api.whole import openapi

__all__ = ["ROUTES", "openapi"]

ROUTES = (*whole.ROUTES, *alerts.ROUTES, *runs.ROUTES, *watched.ROUTES, *checks.ROUTES)
