"""The read-only API and the dashboard: `python -m monitoring.web`, GET and HEAD only, no token, no way to write.

Add a route in `api/` (and `openapi.yaml`) or a page in `pages/` (and `templates/`); how requests are limited, checked,
cached and answered is in `server.py`, `host_check.py`, `results.py` and `app.py`, and no route knows of it.
Tests: tests/integration/test_web_*.py, tests/contract/test_web_*.py, tests/browser.
"""
