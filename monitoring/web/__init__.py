"""The read-only API and the dashboard."""
