"""Ticks due, runs, the verdict."""
