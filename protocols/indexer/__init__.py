"""Freshness of a team's own indexer."""
