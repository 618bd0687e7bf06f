"""One folder a protocol: its monitor, its drill, and why its limits are what they are.

`SHIPPED` names the folders that come with the project: its tests and tables are about these, never about a team's own.
"""

SHIPPED = (
    "aave", "apyusd", "cap", "compound", "control", "drill", "ethena", "host", "housekeeping", "indexer", "infinifi",
    "large_flows", "large_transfers", "lido", "lrt_pegs", "maker", "maple", "morpho", "pegs", "proposals", "rtoken",
    "rule_drift", "safes", "spark", "strata", "threejane", "timelocks", "usdai", "ustb", "yearn",
)  # fmt: skip
