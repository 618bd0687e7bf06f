"""WHEN and HOW monitoring scripts run: `python -m automation`."""
