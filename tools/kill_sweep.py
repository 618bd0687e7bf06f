"""Kills recording and delivery at every step and prints what was lost: `make kill-sweep` (some minutes)."""

from __future__ import annotations

import argparse
import sys
import time

from tests.support.kill_sweep import Stage, sweep, table


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill recording and delivery at every step and say what it cost.")
    parser.add_argument("--every", type=int, default=1, help="only every n-th step of the database")
    arguments = parser.parse_args()
    points = []
    started = time.monotonic()
    with Stage() as stage:
        for point in sweep(stage, every_step=arguments.every):
            points.append(point)
            if not point.is_sound:
                print(f"NOT SOUND: {point}", flush=True)
            if len(points) % 50 == 0:
                print(f"{len(points)} points, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    print(table(points))
    print(f"{len(points)} points in {time.monotonic() - started:.0f} s")
    return 0 if all(point.is_sound for point in points) else 1


if __name__ == "__main__":
    sys.exit(main())
