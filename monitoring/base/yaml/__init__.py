"""YAML read with the line and column of each value.

Reading belongs here; what a file may say belongs to the package that owns the file.
Tests: tests/unit/test_yaml_*.py.
"""
