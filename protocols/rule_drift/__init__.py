"""Drift of the alert rules at a hosted service."""
