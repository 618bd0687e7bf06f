"""Every message the shipped verbs and types can produce, through the product's own path, for one reader in one sitting.

A scene is a monitor and the worlds it meets, one run each. What is stored is rendered as the chat sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import Any

from monitoring.alerts.delivery.coalesce import alert_of
from monitoring.alerts.message.digest import DigestInput, TaskOutcome, record_digest
from monitoring.alerts.recording.close_orphaned import end_by_hand_in
from monitoring.alerts.recording.release_silenced import release_in
from monitoring.alerts.senders.telegram.text import render_telegram
from monitoring.store.db.schema import open_database
from monitoring.store.tables import alerts, conditions, silences
from tests.support import golden_operations, golden_types
from utils.monitor import CRITICAL, HIGH, LOW, Context, monitor
from utils.testing import Reverts, SimChain, SimClock, run

VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
HELD, OWED = (VAULT, "held()(uint256)"), (VAULT, "owed()(uint256)")
OWNERS, PAUSED = (VAULT, "owners()(address[])"), (VAULT, "paused()(bool)")
A, B = "0x" + "a1" * 20, "0x" + "b2" * 20
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = f"""\
monitor: acme
chain: mainnet
contracts: {{vault: "{VAULT}"}}
functions: [held()(uint256), owed()(uint256), "owners()(address[])", paused()(bool)]
values: {{held: vault.held(), owed: vault.owed()}}
checks:
"""
Reads = Mapping[tuple[str, str], Any]


@dataclass(frozen=True)
class Scene:
    """One check, and what its views answer in each run; `every` is the time between them."""

    title: str
    check: str
    worlds: Sequence[Reads]
    every: str = "1h"
    http: Mapping[str, Any] = field(default_factory=dict)


def held(*amounts: Any, owed: int = 300) -> list[Reads]:
    return [{HELD: amount, OWED: owed, OWNERS: (A,), PAUSED: False} for amount in amounts]


SCENES = (
    Scene(
        "require, two readings, with text: fired, reminder, recovered",
        "  - {id: backing, require: held >= owed, severity: critical, unit: cUSD, text: holds too little}\n",
        held(299, 299, 301),
        every="7h",
    ),
    Scene(
        "require, with runbook and note",
        "  - {id: backing, require: held >= owed, severity: critical, text: holds too little,\n"
        "     runbook: https://example.org/runbook, note: the keeper tops it up within ten minutes}\n",
        held(299),
    ),
    Scene(
        "watch, without text: fired, worse, recovered",
        "  - {id: use, watch: held / owed, levels: [{below: 50%, severity: low}, {below: 10%, severity: high}]}\n",
        held(100, 20, 200),
    ),
    Scene(
        "change_of: each move",
        "  - {id: jump, change_of: held, max_change: 10%, severity: high, unit: usd}\n",
        held(100_000, 120_000),
    ),
    Scene(
        "never_falls: each fall, and one that holds until it is back",
        "  - {id: price, never_falls: held, severity: critical, unit: ETH}\n"
        "  - {id: mark, never_falls: held, rebase: hold, severity: high, text: the counter went back}\n",
        held(105, 104, 105),
    ),
    Scene("changed: each change", "  - {id: cooldown, changed: held, severity: medium, unit: s}\n", held(86_400, 60)),
    Scene(
        "flag: fired, recovered",
        "  - {id: paused, flag: vault.paused(), severity: critical, text: the vault is paused}\n",
        [{HELD: 1, OWED: 1, PAUSED: value} for value in (True, False)],
    ),
    Scene(
        "diverge: fired, recovered",
        "  - {id: feeds, diverge: [held, owed], max: 0.5%, severity: high, unit: usd}\n",
        held(310, 300),
    ),
    Scene(
        "age: fired, recovered",
        "  - {id: update, age: held, max: 1h, severity: medium}\n",
        held(1_700_000_000, int(NOW.timestamp()) + 3600),
    ),
    Scene(
        "deadline: each step, passed, moved",
        "  - {id: expiry, deadline: held, steps: [30d, 1d], severity: high}\n",
        held(*[int((NOW + timedelta(days=20)).timestamp())] * 2, int((NOW + timedelta(days=400)).timestamp())),
        every="21d",
    ),
    Scene(
        "members: joined and left",
        "  - {id: owners, members: vault.owners(), severity: high}\n",
        [{HELD: 1, OWED: 1, OWNERS: found} for found in ((A,), (A, B), (B,))],
    ),
    Scene(
        "no data, data restored",
        "  - {id: backing, require: held >= owed, severity: critical}\n"
        "  - {id: floor, require: held >= 1, severity: low}\n",
        held(*[Reverts("0x")] * 3, 301),
    ),
)
HTTP = """\
monitor: acme
http:
  - {name: reserve, url: "https://reserve.example/now", ok: code == 'OK', time: at, max_age: 1h, severity: medium}
"""


@monitor("acme")
def raising(m: Context) -> None:
    """Raise, worsen, end and crash, one step a run."""
    step = int(str(m.recall("step", default=0)))
    m.remember("step", step + 1)
    if step == 0:
        m.alert(HIGH, "USDC is 95% borrowed", "Supplied $1,000,000, borrowed $950,000.", key="utilisation/USDC")
    elif step == 1:
        m.alert(CRITICAL, "USDC is 99% borrowed", "Supplied $1,000,000, borrowed $990,000.", key="utilisation/USDC")
    elif step == 2:
        m.resolve("utilisation/USDC", note="USDC is 80% borrowed, allowed 90%")
    elif step == 3:
        raise ValueError("the answer has no field `total`")


def messages(folder: Path) -> Iterator[str]:
    """Play every scene; yield the text of the whole file, scene by scene."""
    for number, scene in enumerate(SCENES):
        path, store, clock = folder / f"{number}.yaml", folder / f"store-{number}", SimClock(NOW)
        path.write_text(HEAD + scene.check)
        for world in scene.worlds:
            run(path, store=store, chain=SimChain(dict(world)), clock=clock)
            clock.move(scene.every)
        yield from _shown(scene.title, store)
    yield from _shown("http: not as required, old data, recovered", _played_http(folder))
    yield from _shown("http: HTTP 503, slow, recovered", golden_types.played_latency(folder, NOW))
    yield from _shown("erc4626: each kind, recovered", golden_types.played_vault(folder, NOW))
    floor = "  - {id: floor, require: vault.totalAssets() >= 1, severity: high}\n"
    yield from _shown("a chain that cannot be reached", golden_types.played_outage(folder, NOW, HEAD + floor))
    yield from _types(folder)
    yield from _shown("a script: raised, worse, over, crashed, runs again", _played_script(folder))
    yield from _shown("logs: two events, one reorganised away", _played_logs(folder))
    yield from _shown("several remain: reminders in one message", _played_reminders(folder))
    yield from _shown("checks that nobody watches any more, one ended by hand", _played_endings(folder))
    yield from _shown("three times under one silence", _played_silence(folder))
    yield from _shown("the digest of a run: failed, failed for long, clean", _played_digest(folder))
    yield from _operations(folder)


def _types(folder: Path) -> Iterator[str]:
    yield from golden_types.shown("http: a certificate", golden_types.certificate_alerts(folder, NOW), NOW)
    yield from golden_types.shown("host: all bad, disk critical, well", golden_types.host_alerts(folder, NOW), NOW)
    yield from golden_types.shown(
        "safes: queued, unexpected, rival, changed", golden_types.safe_alerts(folder, NOW), NOW
    )
    yield from golden_types.shown(
        "safes: signed, executable, removed, executed, failed", golden_types.safe_life_alerts(folder, NOW), NOW
    )
    yield from golden_types.shown(
        "timelocks: scheduled, executed, cancelled", golden_types.timelock_alerts(folder, NOW), NOW
    )


def _operations(folder: Path) -> Iterator[str]:
    yield from _shown("sync: refused, healed, failing, healed, taken back", golden_operations.played_sync(folder, NOW))
    yield from _shown("a run: file refused, accepted, ticks missed", golden_operations.played_runs(folder, NOW))
    yield from _shown("a drill", golden_operations.played_drill(folder, NOW))
    yield from _shown("the database was restored", golden_operations.played_restore(folder, NOW))
    yield from _shown("the database was damaged", golden_operations.played_damage(folder, NOW))
    yield from _shown("the database was lost", golden_operations.played_lost(folder, NOW))
    yield from _shown("an alert was dropped, another given up", golden_operations.played_delivery(folder, NOW))
    yield from _shown("a chat refuses, and accepts again", golden_operations.played_refusal(folder, NOW))
    yield from _shown("the reserve was full", golden_operations.played_full_reserve(folder, NOW))
    yield "=== straight to people: alerts cannot be stored, checks do not run\n"
    yield from golden_operations.direct_messages(folder)
    yield from golden_types.shown("several alerts in one message", iter([golden_operations.fold_of_many(NOW)]), NOW)


def _played_http(folder: Path) -> Path:
    path, store, clock = folder / "http.yaml", folder / "store-http", SimClock(NOW)
    path.write_text(HTTP)
    fresh = int(NOW.timestamp()) + 4 * 3600
    for answer in ({"code": "DOWN", "at": fresh}, {"code": "OK", "at": 1_700_000_000}, {"code": "OK", "at": fresh}):
        run(path, store=store, clock=clock, http={"https://reserve.example/now": answer})
        clock.move("2h")
    return store


def _played_script(folder: Path) -> Path:
    store, clock = folder / "store-script", SimClock(NOW)
    for _ in range(5):
        run(raising, store=store, clock=clock)
        clock.move("2h")
    return store


@monitor("acme")
def watching(m: Context) -> None:
    new = m.chain(1).logs("moves", {"Acme vault": VAULT}, ["Transfer(address,address,uint256)", "Paused(address)"])
    m.logs("moves", new, severity=HIGH, severity_of=lambda log: LOW if log.event == "Transfer" else None)


def _played_logs(folder: Path) -> Path:
    store, clock, chain = folder / "store-logs", SimClock(NOW), SimChain()
    run(watching, store=store, clock=clock, chain=chain)
    chain.emit(VAULT, "Transfer(address,address,uint256)", A, B, 5_000_000)
    chain.emit(VAULT, "Paused(address)", A)
    for _ in range(2):
        clock.move("1h")
        run(watching, store=store, clock=clock, chain=chain)
        chain.logs.pop()
    return store


@monitor("acme")
def lasting(m: Context) -> None:
    m.alert(CRITICAL, "USDC is 99% borrowed", key="utilisation/USDC")
    m.alert(HIGH, "the oracle is 2 h old", key="oracle", remind="6h")
    m.flag("paused", True, severity=CRITICAL, text="the vault is paused")


@monitor("acme")
def changing(m: Context) -> None:
    step = int(str(m.recall("owner", default=1)))
    m.changed("owner", step, severity=HIGH)
    m.remember("owner", step + 1)


def _played_reminders(folder: Path) -> Path:
    store, clock = folder / "store-reminders", SimClock(NOW)
    for _ in range(2):
        run(lasting, store=store, clock=clock)
        clock.move("6h")
    return store


def _played_endings(folder: Path) -> Path:
    store, path, clock = folder / "store-endings", folder / "endings.yaml", SimClock(NOW)
    world = held(299)[0]
    floor = "  - {id: floor, require: held >= 1, severity: low}\n"
    backing = "  - {id: backing, require: held >= owed, severity: critical}\n"
    for checks in (floor + backing, floor):
        path.write_text(HEAD + checks)
        run(path, store=store, chain=SimChain(dict(world)), clock=clock)
        clock.move("1h")
    run(lasting, store=store, clock=clock)
    with open_database(store / "monitoring.db") as database, database.write() as tx:
        left = next(row for row in conditions.firing(tx) if row.key.check == "oracle")
        end_by_hand_in(tx, left, "alice", clock.now())
    return store


def _played_silence(folder: Path) -> Path:
    store, clock = folder / "store-silence", SimClock(NOW)
    run(changing, store=store, clock=clock)
    with open_database(store / "monitoring.db") as database, database.write() as tx:
        ends_at = clock.now() + timedelta(hours=6)
        silences.add(tx, "acme", None, now=clock.now(), ends_at=ends_at, reason="upgrade", created_by="alice")
    for _ in range(3):
        clock.move("1h")
        run(changing, store=store, clock=clock)
    clock.move("6h")
    with open_database(store / "monitoring.db") as database, database.write() as tx:
        release_in(tx, clock.now())
    return store


def _played_digest(folder: Path) -> Path:
    store = folder / "store-digest"
    slow = TaskOutcome("slow", failed=True, reason="timed out", duration_s=600.0, last_lines=("reading block 7",))
    held_back = TaskOutcome("flaky", failed=True, reason="exit code 1", duration_s=2.0, alert_after=3)
    gone = TaskOutcome("pegs", failed=True, reason="exit code 1", duration_s=3.4, dependency="mainnet")
    fine = TaskOutcome("aave", failed=False, duration_s=1.0)
    with open_database(store / "monitoring.db") as database:
        for hours, tasks in ((0, (slow, held_back, gone, fine)), (25, (slow, held_back, gone, fine)), (26, (fine,))):
            record_digest(database, DigestInput("hourly", tasks, None), NOW + timedelta(hours=hours))
    return store


def _shown(title: str, store: Path) -> Iterator[str]:
    yield f"=== {title}\n"
    with open_database(store / "monitoring.db") as database, database.snapshot() as tx:
        ids = [row[0] for row in tx.execute("SELECT id FROM alert_events ORDER BY id")]
        for stored in (alerts.get(tx, alert_id) for alert_id in ids):
            if stored is not None:
                parts = render_telegram(alert_of(stored), now=stored.created_at).parts
                yield "\n".join(part.text for part in parts) + "\n"


def text_of(play: Callable[[Path], Iterator[str]], folder: Path) -> str:
    """Return the file, without what differs from machine to machine."""
    text = "\n".join(play(folder)).replace(str(Path(__file__).parents[2]), "CHECKOUT")
    text = text.replace(str(folder), "/var/lib/monitoring")
    return text.replace(f"host {gethostname()}: ", "host vps1: ").replace(
        f" automation {gethostname()}: ", " automation vps1: "
    )
