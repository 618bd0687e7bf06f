-- What people got: each message that a chat accepted, so that a later one about the same thing answers it, and so that
-- one can be changed. Both tables go with their alerts.

CREATE TABLE sent_messages (
    id          INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    bot         TEXT NOT NULL,                          -- as in `lanes`: ids of a private chat are the bot's own
    chat_id     TEXT NOT NULL,                          -- at the time of sending
    topic       INTEGER,                                -- where it arrived, which is not the topic that was asked for
    message_id  INTEGER NOT NULL,
    part        INTEGER NOT NULL,                       -- from 1; pieces of one part share its number
    sent_at     TEXT NOT NULL,
    UNIQUE (delivery_id, chat_id, message_id)
);

-- What an alert is about, the main thing first. A thread is an incident, a transaction, an operation, a proposal.
CREATE TABLE alert_threads (
    id       INTEGER PRIMARY KEY,
    alert_id INTEGER NOT NULL REFERENCES alert_events (id) ON DELETE CASCADE,
    thread   TEXT NOT NULL,
    UNIQUE (thread, alert_id)
);
CREATE INDEX thread_of_alert ON alert_threads (alert_id);
