-- What the system we replace had (columns and meaning kept), and the ledger.

CREATE TABLE alert_events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at      TEXT NOT NULL,                      -- fixed-width UTC, see monitoring.clock.to_text
    source          TEXT NOT NULL,
    protocol        TEXT NOT NULL,
    channel         TEXT NOT NULL DEFAULT '',
    severity        TEXT,                               -- the old system left it empty at times
    message         TEXT NOT NULL,
    plain_text      INTEGER NOT NULL DEFAULT 1,
    silent          INTEGER NOT NULL DEFAULT 0,
    delivery_status TEXT NOT NULL DEFAULT 'generated',
    delivered_at    TEXT,
    delivery_error  TEXT,
    dedupe_key      TEXT,
    fingerprint     TEXT,
    metadata_json   TEXT,
    sort_at         TEXT NOT NULL,                      -- max(created_at so far): never falls with id
    kind            TEXT NOT NULL DEFAULT 'alert',
    title           TEXT NOT NULL DEFAULT '',
    body_json       TEXT,                               -- the structured text, see monitoring.alerts.model
    run_id          INTEGER,
    task            TEXT
);

-- One index per combination of equalities; the rowid that ends each of them is the order of every page.
CREATE INDEX alert_protocol                 ON alert_events (protocol);
CREATE INDEX alert_severity                 ON alert_events (severity);
CREATE INDEX alert_source                   ON alert_events (source);
CREATE INDEX alert_protocol_severity        ON alert_events (protocol, severity);
CREATE INDEX alert_protocol_source          ON alert_events (protocol, source);
CREATE INDEX alert_severity_source          ON alert_events (severity, source);
CREATE INDEX alert_protocol_severity_source ON alert_events (protocol, severity, source);
CREATE INDEX alert_sort_at                  ON alert_events (sort_at);
CREATE INDEX alert_created_at               ON alert_events (created_at);
CREATE INDEX alert_run                      ON alert_events (run_id) WHERE run_id IS NOT NULL;

CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id        INTEGER NOT NULL REFERENCES alert_events (id) ON DELETE CASCADE,
    destination     TEXT NOT NULL,                      -- a kind: telegram, webhook, apprise
    channel         TEXT NOT NULL DEFAULT '',           -- AAVE of TELEGRAM_CHAT_ID_AAVE: routes are resolved when sending
    severity_rank   INTEGER NOT NULL,                   -- 0 LOW … 3 CRITICAL
    status          TEXT NOT NULL DEFAULT 'pending',
    created_at      TEXT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    lease_owner     TEXT,
    lease_until     TEXT,
    parts_sent      INTEGER NOT NULL DEFAULT 0,         -- a long message goes on where it stopped
    folded_into     INTEGER,                            -- the delivery whose message stands for this one too
    delivered_at    TEXT,
    error           TEXT,
    receipt_json    TEXT,
    UNIQUE (alert_id, destination)
);
-- The order of sending. Every query of the outbox repeats the condition, or SQLite would not use the index.
CREATE INDEX delivery_waiting ON deliveries (destination, channel, severity_rank DESC, id)
    WHERE status IN ('pending', 'skipped_missing_credentials') AND folded_into IS NULL;
CREATE INDEX delivery_open ON deliveries (status) WHERE status IN ('pending', 'skipped_missing_credentials');
CREATE INDEX delivery_folded ON deliveries (folded_into) WHERE folded_into IS NOT NULL;

CREATE TABLE monitor_state (
    namespace  TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (namespace, key)
);

CREATE TABLE runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    profile     TEXT NOT NULL,
    tick_at     TEXT,                                   -- the due tick this row answers; none for a run by hand
    trigger     TEXT NOT NULL,                          -- cron, embedded, catch-up, manual, reconcile
    status      TEXT NOT NULL,                          -- running, ok, failed, aborted, skipped, missed
    reason      TEXT NOT NULL DEFAULT '',
    started_at  TEXT NOT NULL,                          -- of a skipped or missed tick: the tick itself
    ended_at    TEXT,
    exit_code   INTEGER,
    revision    TEXT NOT NULL DEFAULT '',
    held_by     INTEGER,                                -- the run that was still going when this tick came due
    process     TEXT,                                   -- boot id, pid and start time of the runner
    tasks_total INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX run_tick ON runs (profile, tick_at) WHERE tick_at IS NOT NULL;
CREATE INDEX run_profile     ON runs (profile);
CREATE INDEX run_started     ON runs (started_at);
CREATE INDEX run_running     ON runs (status) WHERE status = 'running';

CREATE TABLE task_runs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id         INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    status         TEXT NOT NULL,                       -- running, ok, failed, timeout, aborted, skipped
    reason         TEXT NOT NULL DEFAULT '',
    started_at     TEXT NOT NULL,
    ended_at       TEXT,
    duration_s     REAL,
    exit_code      INTEGER,
    signal         INTEGER,
    attempts       INTEGER NOT NULL DEFAULT 1,
    cpu_s          REAL,
    peak_rss_bytes INTEGER,
    output_bytes   INTEGER NOT NULL DEFAULT 0,
    output_tail    TEXT NOT NULL DEFAULT '',
    UNIQUE (run_id, name)
);
CREATE INDEX task_run_name ON task_runs (name);

-- Which cron line was in force from when until when: yesterday is judged by yesterday's schedule.
CREATE TABLE schedules (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    profile         TEXT NOT NULL,
    cron            TEXT NOT NULL,
    enabled         INTEGER NOT NULL,
    sync_before_run INTEGER NOT NULL,
    catch_up        TEXT NOT NULL,
    max_age_s       REAL,
    effective_from  TEXT NOT NULL,
    effective_until TEXT,
    reconciled_to   TEXT NOT NULL,                      -- every tick up to here has its row
    recorded_by     TEXT NOT NULL
);
CREATE UNIQUE INDEX schedule_in_force ON schedules (profile) WHERE effective_until IS NULL;

-- Signs of life of whatever starts the ticks: they tell a stopped scheduler from a stopped host.
CREATE TABLE scheduler_starts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at TEXT NOT NULL,
    booted_at  TEXT NOT NULL,
    kind       TEXT NOT NULL                            -- cron, embedded
);
