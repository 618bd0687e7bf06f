"""The database: the only package that speaks SQL.

`db` opens it, `tables` writes it, `queries` reads it for people, `maintenance` copies, repairs and prunes it, `spool`
keeps what it cannot take. Migrations only add. Tests: tests/integration/test_store*.py, tests/unit/test_migrations*.py.
"""
