"""3Jane: its contracts (monitor.yaml) and its borrowers."""
