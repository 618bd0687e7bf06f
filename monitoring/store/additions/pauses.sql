-- What people said must not run for a while. Every pause ends; `held_back` counts ticks, tasks or judgements.

CREATE TABLE pauses (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,                           -- profile, task, check
    name       TEXT NOT NULL,                           -- hourly; hourly/aave; aave/utilisation/*
    starts_at  TEXT NOT NULL,
    ends_at    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    created_by TEXT NOT NULL,
    ended_by   TEXT NOT NULL DEFAULT '',                -- who ended it early
    held_back  INTEGER NOT NULL DEFAULT 0,
    over_said  INTEGER NOT NULL DEFAULT 0               -- 1: its end was announced
);
CREATE INDEX pause_end ON pauses (ends_at);
