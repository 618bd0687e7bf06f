"""The library beneath: store, ledger, alerts. It knows nothing of jobs.yaml."""
