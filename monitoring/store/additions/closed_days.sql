-- Days that are over, as they were reported: each with a digest of what was recorded until then and of the day before.

CREATE TABLE closed_days (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    day       TEXT NOT NULL,                            -- 2026-11-29, in UTC
    since     TEXT NOT NULL,                            -- the first day it covers: earlier where nothing ran for days
    version   INTEGER NOT NULL,                         -- of the way in which rows are written for the digest
    closed_at TEXT NOT NULL,
    numbers   TEXT NOT NULL,                            -- what the message says, as JSON
    previous  TEXT NOT NULL,                            -- the digest before this one
    digest    TEXT NOT NULL,
    alert_id  INTEGER                                   -- the message; none of the first, which only says where it begins
);
CREATE INDEX closed_day ON closed_days (day);

-- The rows of one table that a day covers: those from after `after_id` to `last_id`, and those that were open before.
CREATE TABLE closed_rows (
    closed_id  INTEGER NOT NULL REFERENCES closed_days (id) ON DELETE CASCADE,
    table_name TEXT NOT NULL,
    after_id   INTEGER NOT NULL,
    last_id    INTEGER NOT NULL,
    rows       INTEGER NOT NULL,
    open_ids   TEXT NOT NULL,                           -- what may still change of these is covered by a later day
    hash       TEXT NOT NULL,
    row_hashes BLOB,                                    -- id and 8 bytes of each, to name what differs; pruned with the rows
    PRIMARY KEY (closed_id, table_name)
) WITHOUT ROWID;
