-- What the dashboard, the metrics and the audit ask of a long history: each index ends in what is wanted first, so that
-- the answer costs what it shows.

CREATE INDEX run_tick_at      ON runs (tick_at) WHERE tick_at IS NOT NULL;
CREATE INDEX run_ended        ON runs (profile, ended_at);
CREATE INDEX task_run_status  ON task_runs (name, status);
DROP INDEX task_run_name;
CREATE INDEX delivery_failed  ON deliveries (created_at) WHERE status = 'failed';
CREATE INDEX condition_change ON conditions (updated_at) WHERE fired_at IS NOT NULL;
CREATE INDEX alert_key        ON alert_events (dedupe_key) WHERE dedupe_key IS NOT NULL;

-- `sort_at` never falls with the id and says where a page between two instants lies, but for rows that lie behind it
-- (adopted out of order, stored while the clock was behind). `alert_late` tells of every 128 ids what instants its rows
-- have that lie more than ten minutes behind; mostly it is empty. Where it is not, `alert_zones` tells of every 1024 ids
-- what instants there are at all, so that a page steps over a second host's history.
CREATE TABLE alert_zones (
    zone   INTEGER PRIMARY KEY,                         -- id >> 10
    oldest TEXT NOT NULL,
    newest TEXT NOT NULL
);
CREATE TABLE alert_late (
    zone   INTEGER PRIMARY KEY,                         -- id >> 7
    oldest TEXT NOT NULL,
    newest TEXT NOT NULL
);
INSERT INTO alert_zones SELECT id >> 10, min(created_at), max(created_at) FROM alert_events GROUP BY id >> 10;
INSERT INTO alert_late SELECT id >> 7, min(created_at), max(created_at) FROM alert_events
    WHERE coalesce(julianday(sort_at) - julianday(created_at) > 0.00694444, 1) GROUP BY id >> 7;

CREATE TRIGGER alert_zoned AFTER INSERT ON alert_events BEGIN
    INSERT INTO alert_zones VALUES (new.id >> 10, new.created_at, new.created_at)
    ON CONFLICT DO UPDATE SET oldest = min(oldest, excluded.oldest), newest = max(newest, excluded.newest);
END;
CREATE TRIGGER alert_is_late AFTER INSERT ON alert_events
WHEN coalesce(julianday(new.sort_at) - julianday(new.created_at) > 0.00694444, 1) BEGIN
    INSERT INTO alert_late VALUES (new.id >> 7, new.created_at, new.created_at)
    ON CONFLICT DO UPDATE SET oldest = min(oldest, excluded.oldest), newest = max(newest, excluded.newest);
END;
DROP INDEX alert_far_behind;
