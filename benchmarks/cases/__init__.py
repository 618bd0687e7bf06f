"""What is measured, in the order of a run: each case is a module here with `measure(size)`."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measuring import Size


@dataclass(frozen=True)
class Case:
    """A case: its title, what it compares, and how many seconds its rounds may take."""

    title: str
    about: str
    full_s: float
    quick_s: float

    def seconds(self, size: Size) -> float:
        return size.pick(self.full_s, self.quick_s, 1.0)


CASES: dict[str, Case] = {
    "start": Case(
        "The cost of looking, and the way to the first line of a task",
        "Whole processes on a host of its own. `list` validates every profile; the bare reader loads the same file by"
        " PyYAML's own parser and prints it. The plain runner reads it and starts one interpreter a task.",
        35, 6,
    ),
    "tasks": Case(
        "28 tasks that import web3 and make five calls of 50 ms",
        "The executor with its fork server, started earlier as `run` does it while it loads the rest of itself, next to"
        " one interpreter a task (`subprocess.run`, one after the other and eight at once).",
        130, 16,
    ),
    "requests": Case(
        "The shipped hourly profile, at 100 ms a request",
        "Each chain has one provider here: it answers as the drills say, 30 requests a second, 50 calls a batch. A read"
        " is one question to a contract or node, counted where it is answered, also inside batches and multicalls."
        " Vaults of Morpho, most of what is read, lend in up to ten rated markets of their asset.",
        120, 18,
    ),
    "alerts": Case(
        "`/v1/alerts`, a page of 100, asked by 16 connections",
        "Whole servers over one database: ours, `ThreadingHTTPServer` as its documentation has it (HTTP/1.0, a"
        " connection and a database connection a request) and with kept connections, and a bare uvicorn as the limit.",
        75, 12,
    ),
    "history": Case(
        "A page of alerts in a history of any length",
        "From the question to the finished JSON, without HTTP; every combination of filters that an index serves.",
        90, 6,
    ),
    "durable": Case(
        "Storing one alert so that a loss of power keeps it",
        "The alert, its condition and deliveries in one transaction that is synced. Next to it one `sqlite3` connection"
        " a call that inserts one row, and one `fdatasync` of 4 KiB to the same disk. Then eight processes that store"
        " without pause; at last one of them stores 700 readings at a time, as a run does. Alerts alone are counted.",
        40, 8,
    ),
    "delivery": Case(
        "From stored to accepted by a Bot API",
        "Another process stores an alert while a delivery loop waits; the Bot API is a server on loopback.",
        20, 4,
    ),
    "schedules": Case(
        "1,000 schedules due in the same minute",
        "The scheduler of `up` and supercronic start the same command, which writes down when it began.",
        60, 12,
    ),
    "idle": Case(
        "What `up` costs while nothing is due",
        "CPU time and memory of each process of `up` on an idle host, shared memory divided among those who share it.",
        35, 6,
    ),
    "audit": Case(
        "The audit of a year",
        "Three profiles, about 70,000 ticks. The alternative asks the ledger for each due tick and for its tasks.",
        70, 8,
    ),
    "checks": Case(
        "One monitor file with more and more checks",
        "From the file to the stored outcome: reading, judging, and one transaction; the provider answers at once. A"
        " file has at most 500 rows.",
        30, 6,
    ),
    "readings": Case(
        "A year of readings",
        "700 checks, read every hour, always another value, with the alerts, runs and messages of that time. Every page"
        " and route of the web service is asked after a year and after a day, each time after a commit.",
        60, 8,
    ),
    "release": Case(
        "This tree next to an older release",
        "Both with the same Python and packages, in the same rounds.",
        40, 10,
    ),
    # Last, since the machine is busy for a while after it.
    "crowd": Case(
        "100 profiles of three tasks due in one minute",
        "`automation run` for each of them at once, as a crontab does it, next to 100 plain runners that start one"
        " interpreter a task. Memory is the sum of all processes, shared pages counted once.",
        110, 12,
    ),
}  # fmt: skip
