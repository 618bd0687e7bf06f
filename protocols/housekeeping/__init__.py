"""Keeps the database of this host, daily."""
