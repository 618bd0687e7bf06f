"""Who may change the watched Morpho vaults, and what is about to change."""
