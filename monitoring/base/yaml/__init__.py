"""YAML read with the line and column of each value, and values read by a declared table of keys.

What may be changed here: the reader (`reader`), its messages (`text`), the nodes (`marks`), how a table of keys is read
(`keys`) and shown (`reference`). What a file may say belongs to the package that owns the file.
Tests: tests/unit/test_yaml_*.py.
"""
