"""Pictures of numbers as inline SVG: numbers in, markup or geometry out. Pure: no row is read here, no page known.

`line` draws a value over time, `sparkline` its shape in a row, `bars` the bars that a template draws.
Tests: `tests/unit/test_line_charts.py`, `tests/browser`, `tests/integration/test_web_*.py`.
"""
