-- What a host of some days has besides readings, alerts and runs. `:days` of them end at `:now`, in unix seconds.

CREATE TEMP TABLE d AS
WITH RECURSIVE n(i) AS (SELECT :days UNION ALL SELECT i - 1 FROM n WHERE i > 1)
SELECT i, strftime('%Y-%m-%dT%H:%M:%S.000000Z', :now - i * 86400, 'unixepoch') AS at,
    strftime('%Y-%m-%dT%H:%M:%S.000000Z', :now - i * 86400 + 7200, 'unixepoch') AS ends FROM n;
-- What people do is listed, newest first: so much of it that one day fills a list.
CREATE TEMP TABLE often AS SELECT i, at, ends, value FROM d, json_each(:many);

-- One alert in 50 is about a check, in turn fired and recovered.
UPDATE alert_events SET run_id = 1 + (id - 1) * (SELECT max(id) FROM runs) / (SELECT max(id) FROM alert_events);
UPDATE alert_events SET
    dedupe_key = 'check-' || (id / 50 % :checks / 60) || '/' || json_extract('[1, 10, 8453]', '$[' || (id / 50 % :checks % 3) || ']')
        || '/row ' || (id / 50 % :checks),
    protocol = printf('protocol%02d', id / 50 % :checks % 60), kind = iif(id / 50 / :checks % 2, 'recovery', 'alert'),
    metadata_json = json_object('incident', json_object(
        'monitor', printf('monitor%02d', id / 50 % :checks % 60), 'check', 'check-0', 'since', created_at))
WHERE id % 50 = 0;
INSERT INTO alert_threads (alert_id, thread)
SELECT id, 'incident/' || dedupe_key || created_at FROM alert_events WHERE dedupe_key IS NOT NULL;
INSERT INTO sent_messages (delivery_id, bot, chat_id, message_id, part, sent_at)
SELECT id, '1', '-100', id, 1, created_at FROM deliveries;
INSERT INTO message_buttons (delivery_id, bot, chat_id, message_id, body)
SELECT id, '1', '-100', id, '{}' FROM deliveries WHERE id % 50 = 0;
INSERT INTO explanations (alert_id, asked_at, status)
SELECT id, created_at, 'sent' FROM alert_events WHERE id % 100 = 0;
INSERT INTO provider_requests (run_id, task, chain, provider, requests, answered)
SELECT id, 'hourly-0', 1, 'rpc.example', 30, 30 FROM runs;
-- So that a filter by how a run ended fills a page from one day.
UPDATE runs SET status = iif(id % 2, 'ok', 'failed');

INSERT INTO silences (protocol, starts_at, ends_at, reason, created_by, silenced)
SELECT 'aave', at, ends, 'upgrade', 'ana', 3 FROM often;
INSERT INTO narrow_silences (id, protocol, severity, starts_at, ends_at, reason, created_by)
SELECT 1000000 - 100 * i + value, 'aave', 'LOW', at, ends, 'noise', 'ana' FROM often;
INSERT INTO pauses (kind, name, starts_at, ends_at, reason, created_by)
SELECT 'task', 'hourly/x', at, ends, 'upgrade', 'ana' FROM often;
INSERT INTO acknowledgements (monitor, check_name, chain, subject, episode, severity, by, at, ends_at, ended_at)
SELECT 'monitor07', 'check-0', '10', 'row 7', at, 'HIGH', 'ana', at, ends, ends FROM often;

INSERT INTO blind_spells (source, since, until, checks) SELECT 'rpc.example', at, ends, 40 FROM d;
INSERT INTO scheduler_starts (started_at, booted_at, kind) SELECT at, at, 'up' FROM d;
INSERT INTO handled_updates (bot, update_id, handled_at, kind, account, person, outcome)
SELECT '1', 1000000 - i, at, 'tap', 7, 'ana', 'taken' FROM d;
INSERT INTO people_drills (person, planned_by, due_at, asked_at, answer_by, answered_at, ended_at, outcome)
SELECT 'ana', 'monthly', at, at, ends, at, at, 'answered' FROM d;
INSERT INTO closed_days (day, since, version, closed_at, numbers, previous, digest)
SELECT substr(at, 1, 10), substr(at, 1, 10), 1, at, '{}', '', '' FROM d;
INSERT INTO closed_rows (closed_id, table_name, after_id, last_id, rows, open_ids, hash)
SELECT id, 'runs', 0, 1, 1, '[]', '' FROM closed_days;
INSERT INTO webhook_calls (identity, severity_rank, called_at) SELECT 'x' || i, 2, at FROM d;

DROP TABLE often;
DROP TABLE d;
