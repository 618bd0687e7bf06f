"""One folder a protocol: the shipped monitors."""
