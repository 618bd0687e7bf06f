"""Large deposits into and withdrawals from Yearn's vaults."""
