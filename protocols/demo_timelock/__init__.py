"""A fixture: tells of operations scheduled on one timelock."""
