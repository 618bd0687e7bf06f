-- What every run read: one series a check, in stretches of time in which nothing changed. A stretch that goes on is in
-- `open_readings` and is only prolonged; once anything changes it moves to `readings` and is never written again.

CREATE TABLE reading_series (
    id         INTEGER PRIMARY KEY,
    monitor    TEXT NOT NULL,
    check_name TEXT NOT NULL,
    chain      TEXT NOT NULL DEFAULT '',
    subject    TEXT NOT NULL DEFAULT '',
    protocol   TEXT NOT NULL DEFAULT '',
    severity   INTEGER NOT NULL DEFAULT 0,              -- how bad it can be: 0 LOW to 3 CRITICAL
    verb       TEXT NOT NULL DEFAULT '',                -- how it is judged: limit, age, flag
    unit       TEXT NOT NULL DEFAULT '',
    about      TEXT NOT NULL DEFAULT '',                -- what is watched, in one line
    formula    TEXT NOT NULL DEFAULT '',
    contracts  TEXT NOT NULL DEFAULT '[]',              -- JSON, [chain, address, name] each
    gone_at    INTEGER,                                 -- no file has it since then; unix seconds, as all below
    UNIQUE (monitor, check_name, chain, subject)
) STRICT;
CREATE INDEX reading_series_protocol ON reading_series (protocol, monitor, check_name, chain, subject);

-- What values were held against. Equal ones share a row, so that a change of limits is a change of this number.
CREATE TABLE reading_limits (
    id      INTEGER PRIMARY KEY,
    content TEXT NOT NULL UNIQUE                        -- JSON, see monitoring/store/readings/limits.py
) STRICT;

CREATE TABLE open_readings (
    series      INTEGER PRIMARY KEY REFERENCES reading_series (id),
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    runs        INTEGER NOT NULL,                       -- readings from first to last
    value       ANY,                                    -- exact: a whole number, or text (exact_text.py); none: no number
    reference   ANY,                                    -- what it was compared with, where that is read as well
    state       INTEGER NOT NULL,                       -- see ReadingState
    severity    INTEGER NOT NULL,                       -- while it fires
    limits      INTEGER NOT NULL,
    first_block INTEGER,
    last_block  INTEGER,
    gap         INTEGER NOT NULL,                       -- 1: nothing was read for a while before it
    inputs      TEXT,                                   -- of the last reading: JSON, [name, value] each
    begun_with  TEXT,                                   -- of the first one, where it began another state
    step_s      INTEGER NOT NULL DEFAULT 0,             -- how far apart readings usually are; 0: not known yet
    gap_s       INTEGER NOT NULL DEFAULT 0,             -- the gap before this reading, if there was one
    mark        INTEGER NOT NULL DEFAULT 0              -- of the row of its series, so that it is compared unread
) STRICT;

-- Ordered by the day of its end: a day is written in one place, and forgotten from one end.
CREATE TABLE readings (
    day         INTEGER NOT NULL,                       -- of its end: days since 1970-01-01, UTC
    series      INTEGER NOT NULL,
    last_s      INTEGER NOT NULL,                       -- its end, in seconds of that day
    lasted_s    INTEGER NOT NULL,
    runs        INTEGER NOT NULL,
    value       ANY,
    reference   ANY,
    state       INTEGER NOT NULL,
    severity    INTEGER NOT NULL,
    limits      INTEGER NOT NULL,
    last_block  INTEGER,
    blocks      INTEGER,                                -- from the first to the last
    gap         INTEGER NOT NULL,
    inputs      TEXT,                                   -- of its first reading, where it began another state
    PRIMARY KEY (day, series, last_s)
) WITHOUT ROWID, STRICT;
