-- What keeps an alert from being raised twice, and what keeps a chat from being flooded.

CREATE TABLE conditions (
    monitor       TEXT NOT NULL,
    check_name    TEXT NOT NULL,
    chain         TEXT NOT NULL DEFAULT '',
    subject       TEXT NOT NULL DEFAULT '',
    state         TEXT NOT NULL DEFAULT 'ok',           -- ok, pending (not yet for long enough), firing
    severity      TEXT NOT NULL DEFAULT 'LOW',          -- at the last look
    worst         TEXT NOT NULL DEFAULT 'LOW',          -- of this firing
    title         TEXT NOT NULL DEFAULT '',
    since         TEXT,                                 -- when it was first seen in this state
    fired_at      TEXT,                                 -- when it became firing
    last_seen_at  TEXT,
    last_sent_at  TEXT,                                 -- none while nobody was told (silenced)
    clear_since   TEXT,                                 -- resolved since then, but not yet for long enough
    times         INTEGER NOT NULL DEFAULT 0,           -- how often it was raised in this firing
    alert_id      INTEGER,                              -- the alert that told of it last
    protocol      TEXT NOT NULL DEFAULT '',
    channel       TEXT NOT NULL DEFAULT '',
    source        TEXT NOT NULL DEFAULT 'protocol',     -- of its alerts: the recovery goes the same way
    data_json     TEXT,                                 -- memory of the check behind it
    updated_at    TEXT NOT NULL,
    PRIMARY KEY (monitor, check_name, chain, subject)
);
CREATE INDEX condition_firing ON conditions (fired_at) WHERE state = 'firing';

CREATE TABLE silences (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    protocol   TEXT NOT NULL,
    key        TEXT,                                    -- none: all of the protocol; * stands for anything
    starts_at  TEXT NOT NULL,
    ends_at    TEXT NOT NULL,                           -- every silence ends
    reason     TEXT NOT NULL DEFAULT '',
    created_by TEXT NOT NULL DEFAULT '',
    silenced   INTEGER NOT NULL DEFAULT 0               -- alerts held back so far
);
CREATE INDEX silence_end ON silences (ends_at);

-- One row per chat and bot, per bot, per webhook: what was sent lately, what it asked us to wait, who sends now.
CREATE TABLE lanes (
    key           TEXT PRIMARY KEY,
    lease_owner   TEXT,
    lease_until   TEXT,
    blocked_until TEXT,
    block_reason  TEXT NOT NULL DEFAULT '',             -- rate: the far side said so; failing: our back-off
    failures      INTEGER NOT NULL DEFAULT 0,
    sent_json     TEXT NOT NULL DEFAULT '[]'            -- unix seconds of the latest sends
);

CREATE TABLE chat_migrations (
    old_chat_id TEXT PRIMARY KEY,
    new_chat_id TEXT NOT NULL,
    created_at  TEXT NOT NULL
);

-- Which level of a condition a machine was called for, and when.
CREATE TABLE webhook_calls (
    identity      TEXT PRIMARY KEY,
    severity_rank INTEGER NOT NULL,
    called_at     TEXT NOT NULL
);

CREATE TABLE digests (
    profile      TEXT PRIMARY KEY,
    failing_json TEXT NOT NULL,                         -- names of the tasks that failed in the last run
    told_at      TEXT NOT NULL,
    alert_id     INTEGER NOT NULL
);
