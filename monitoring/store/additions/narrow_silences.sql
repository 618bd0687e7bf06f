-- Silences that are narrower than a protocol and a key. The release before does not read them: it sends what they cover.

CREATE TABLE narrow_silences (
    id         INTEGER PRIMARY KEY,                     -- taken from `silences`, so that no two share one
    protocol   TEXT NOT NULL DEFAULT '',                -- empty: of every protocol
    key        TEXT,
    severity   TEXT,                                    -- nothing worse is covered; none: whatever the severity
    chain      INTEGER,
    hours      TEXT,                                    -- mon-fri 22:00-07:00 Europe/Berlin; none: always
    starts_at  TEXT NOT NULL,
    ends_at    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    created_by TEXT NOT NULL,
    silenced   INTEGER NOT NULL DEFAULT 0,
    last_at    TEXT                                     -- when it last held back an alert
);
CREATE INDEX narrow_silence_end ON narrow_silences (ends_at);
