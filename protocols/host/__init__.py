"""Watches the machine the checks run on."""
