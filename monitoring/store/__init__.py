"""State on disk: SQLite by apsw. The only package that speaks SQL."""
