-- Who has an incident. It ends with the incident, with a worse level, or at `ends_at`, whichever comes first.

CREATE TABLE acknowledgements (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    monitor    TEXT NOT NULL,
    check_name TEXT NOT NULL,
    chain      TEXT NOT NULL DEFAULT '',
    subject    TEXT NOT NULL DEFAULT '',
    episode    TEXT NOT NULL,                           -- when the incident began: the next one is nobody's
    severity   TEXT NOT NULL,                           -- the worst reported by then
    by         TEXT NOT NULL,
    note       TEXT NOT NULL DEFAULT '',
    at         TEXT NOT NULL,
    ends_at    TEXT NOT NULL,
    ended_at   TEXT,                                    -- none while it holds
    ended_by   TEXT NOT NULL DEFAULT '',                -- a person, or why
    held_back  INTEGER NOT NULL DEFAULT 0               -- reminders
);
CREATE INDEX acknowledgement_of   ON acknowledgements (monitor, check_name, chain, subject) WHERE ended_at IS NULL;
CREATE INDEX acknowledgement_ends ON acknowledgements (ends_at);
