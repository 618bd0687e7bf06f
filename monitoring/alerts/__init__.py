"""Alerts: model, text, routing, delivery."""
