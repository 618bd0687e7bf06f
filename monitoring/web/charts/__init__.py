"""Pictures of numbers: geometry alone, pure; templates draw it as inline SVG. No row is read here, no page known.

Tests: `tests/browser/test_dashboard.py`, `tests/integration/test_web_*.py`.
"""
