"""`python -m automation.last_words`: sends what a run could not say itself; see automation/runner/last_words.py.

A run becomes this program by exec, and by then the checkout may hold another release: this name is the same in each.
"""

from __future__ import annotations

import sys

from automation.runner.last_words import main

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
