"""Morpho: its markets, its vaults, and who may change them."""
