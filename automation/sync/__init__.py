"""The deployed checkout follows origin, and goes back from a commit that cannot run.

What is fetched, refused, activated and taken back belongs here; decision 0010 lists what revisions must keep.
Tests: tests/integration/test_git_*.py, tests/integration/test_candidate*.py, tests/cases/test_b01_*.py.
"""
