"""One module a destination kind."""
