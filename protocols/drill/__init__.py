"""Drills the alarm path once a week."""
