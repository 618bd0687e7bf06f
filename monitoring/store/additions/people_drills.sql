-- Drills of people: when each is to be asked, was asked, and answered. The newest of each person is kept.

CREATE TABLE people_drills (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    person      TEXT NOT NULL,                          -- of on_call.yaml
    planned_by  TEXT NOT NULL,                          -- a profile, or who typed it
    due_at      TEXT NOT NULL,
    asked_at    TEXT,                                   -- none while its time has not come
    answer_by   TEXT,                                   -- none where there is no button to answer with
    alert_id    INTEGER,
    answered_at TEXT,
    ended_at    TEXT,                                   -- none while it is open
    outcome     TEXT NOT NULL DEFAULT ''                -- answered, unanswered, accepted, refused, dropped
);
CREATE INDEX people_drill_person ON people_drills (person);
CREATE INDEX people_drill_open   ON people_drills (due_at) WHERE ended_at IS NULL;
CREATE INDEX people_drill_alert  ON people_drills (alert_id);
CREATE INDEX people_drill_asked  ON people_drills (asked_at);
