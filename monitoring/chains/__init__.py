"""Reads chains and the services around them, and turns calldata into sentences; keeps no state and sends nothing."""
