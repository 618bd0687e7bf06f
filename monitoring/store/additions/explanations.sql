-- What a model was asked about an alert, what came of it and what it cost; one row an alert, so nothing is asked twice.

CREATE TABLE explanations (
    alert_id          INTEGER PRIMARY KEY REFERENCES alert_events (id) ON DELETE CASCADE,
    asked_at          TEXT NOT NULL,
    ended_at          TEXT,
    status            TEXT NOT NULL,                    -- asked, sent, not sent
    reason            TEXT NOT NULL DEFAULT '',         -- why nothing was sent, or what of an answer was dropped
    reply_id          INTEGER,                          -- the alert that carries it
    content           TEXT NOT NULL DEFAULT '',         -- hash of facts, prompt and model: equal ones are not asked again
    prompt            INTEGER NOT NULL DEFAULT 0,       -- version of the prompt
    model             TEXT NOT NULL DEFAULT '',
    answer            TEXT,                             -- the model's own, kept for those of equal content
    requests          INTEGER NOT NULL DEFAULT 0,
    prompt_tokens     INTEGER NOT NULL DEFAULT 0,       -- as the server counts
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    latency_ms        INTEGER NOT NULL DEFAULT 0,
    by_schema         INTEGER NOT NULL DEFAULT 1        -- 0: the server takes no schema
);
CREATE INDEX explanation_content ON explanations (content);
CREATE INDEX explanation_asked ON explanations (asked_at);
