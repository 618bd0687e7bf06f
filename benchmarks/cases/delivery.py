"""How long from an alert that is stored to a Bot API that has accepted it, while a delivery loop waits."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Goal, Result, Role, Size, Way, python
from monitoring.alerts.delivery.loop import POLL_S, Delivery
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.alerts.senders.limits import RateLimit, RateLimits
from monitoring.base.clock import SystemClock
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_database
from tools.telegram_stand_in import TelegramStandIn

NO_LIMIT = RateLimit(1_000_000, 1.0)
WITHOUT_PACE = RateLimits(chat=NO_LIMIT, group=NO_LIMIT, bot=NO_LIMIT, other=NO_LIMIT, fold_above=1_000_000)


def measure(size: Size) -> Result:
    result = Result(CASES["delivery"].title, CASES["delivery"].about)
    count = size.pick(120, 30, 2)
    way = Way("ours: another process stores, the loop delivers", Role.OURS)
    with tempfile.TemporaryDirectory() as directory, TelegramStandIn() as bot:
        cache = Path(directory)
        open_database(cache / "monitoring.db").close()
        environ = {
            "TELEGRAM_API_URL": bot.url, "TELEGRAM_BOT_TOKEN_DEFAULT": "1:benchmark", "TELEGRAM_CHAT_ID_DEFAULT": "1",
        }  # fmt: skip
        settings, stop = Settings(environ, CHECKOUT, cache), threading.Event()
        delivery = Delivery(settings, cache / "monitoring.db", SystemClock(), limits=WITHOUT_PACE)
        loop = threading.Thread(target=delivery.run, args=(stop,))
        loop.start()
        try:
            way.samples["wall ms"] = _waits(bot, cache, count, size)
        finally:
            stop.set()
            loop.join()
    ordered = sorted(way.samples["wall ms"])
    p99, limit = ordered[int(len(ordered) * 0.99)], 2 * POLL_S * 1000
    result.ways = [way, Way("two polls of the loop", Role.LIMIT, {"wall ms": [limit]})]
    result.goals = [
        Goal("stored to accepted, in the middle, of two polls", [each / limit for each in ordered], 1),
        Goal("stored to accepted, 99 of 100, of two polls", [p99 / limit], 1,
             why="the slowest hundredth shares its core with the process that stores; the first one imports senders."),
    ]  # fmt: skip
    return result


def _waits(bot: TelegramStandIn, cache: Path, count: int, size: Size) -> list[float]:
    """Return the milliseconds of each alert, from its commit in another process to its acceptance."""
    waits = list[float]()
    command = python("-m", "benchmarks.cases.delivery", str(cache))
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:  # fmt: skip
        assert writer.stdin is not None
        assert writer.stdout is not None
        for number in range(count + 1):
            writer.stdin.write(f"{number}\n")
            writer.stdin.flush()
            stored_s = float(writer.stdout.readline())
            bot.wait_for_messages(number + 1)
            if number:  # the first one loads what sends
                waits.append((bot.messages[number].at_s - stored_s) * 1000)
            time.sleep(size.pick(0.0137, 0.0137, 0.0) * (number % 5))  # not in step with the loop
        writer.stdin.close()
    return waits


def main() -> None:
    """Store an alert for each line that comes; print the instant of its commit by the monotonic clock."""
    with open_database(Path(sys.argv[1]) / "monitoring.db") as database:
        for line in sys.stdin:
            record(database, Alert("HIGH", f"alert {line.strip()}", protocol="aave"), now=SystemClock().now())
            print(time.monotonic(), flush=True)


if __name__ == "__main__":
    main()
