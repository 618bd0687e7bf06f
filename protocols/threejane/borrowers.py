"""How near is each 3Jane borrower to default? From the rows of the indexer, by stages: each is reported once."""

from __future__ import annotations

from typing import Any

from utils.monitor import MEDIUM, Context, Unknown, monitor

VARIABLE = "ENVIO_GRAPHQL_URL"
QUERY = (
    "{ ThreeJaneBorrowerMarket(limit: 1000) { market borrower cycle cycle_ends_at grace_period delinquency_period"
    " default_started_at } }"
)
MOST_ROWS = 1000
DAY_S = 86_400
GRACE_S, DELINQUENCY_S = 7 * DAY_S, 23 * DAY_S  # where a market's row does not say its own
STAGES = ("grace", "delinquent", "14d", "7d", "3d", "1d", "default")
_NEAR = ((1, "1d"), (3, "3d"), (7, "7d"), (14, "14d"))


@monitor("3jane-borrowers", channel="3jane", runbook="protocols/threejane/README.md")
def main(m: Context) -> None:
    url = m.env(VARIABLE, "")
    if not url:
        m.say(f"off: {VARIABLE} is not set")
        return
    data = m.graphql(url, QUERY, require=["ThreeJaneBorrowerMarket"], name="borrowers")
    rows = data if isinstance(data, Unknown) else data["ThreeJaneBorrowerMarket"]
    if isinstance(rows, list) and len(rows) >= MOST_ROWS:
        rows = Unknown(f"the indexer lists {MOST_ROWS} borrowers or more")
    now_s = int(m.now.timestamp())
    m.stages(
        "default-watch", rows, id=identity, stage=lambda row: stage(row, now_s), order=STAGES, alert_from="delinquent",
        severity=MEDIUM, text="3Jane borrowers on their way to default", show=lambda row: {"default": default_at(row)},
    )  # fmt: skip


def identity(row: Any) -> Any:  # noqa: ANN401 - a row of JSON, and a text or Unknown
    parts = [row["market"], row["borrower"], row["cycle"]]
    lost = next((part for part in parts if isinstance(part, Unknown)), None)
    return "/".join(map(str, parts)).lower() if lost is None else lost


def default_at(row: Any) -> Any:  # noqa: ANN401 - unix seconds, or Unknown
    return delinquent_at(row) + _span(row, "delinquency_period", DELINQUENCY_S)


def delinquent_at(row: Any) -> Any:  # noqa: ANN401 - as above
    return row.number("cycle_ends_at") + _span(row, "grace_period", GRACE_S)


def stage(row: Any, now_s: int) -> Any:  # noqa: ANN401 - one of STAGES, or Unknown
    """Return how far a borrower is; exactly so many days before default the stage of that name is reached."""
    started, default = row["default_started_at"], default_at(row)
    if isinstance(default, Unknown):
        return default
    if not isinstance(started, Unknown) and started:
        return "default"
    left_s = default - now_s
    if left_s <= 0:
        return "default"
    near = next((name for days, name in _NEAR if left_s <= days * DAY_S), "")
    return near or ("delinquent" if now_s > delinquent_at(row) else "grace")


def _span(row: Any, name: str, usual_s: int) -> Any:  # noqa: ANN401 - seconds
    own = row.number(name)
    return usual_s if isinstance(own, Unknown) else own


if __name__ == "__main__":
    main()
