-- Messages with buttons, while their incident is open: what each was sent as, and what it shows now. A row goes with the
-- last change of its message, or with its alert.

CREATE TABLE message_buttons (
    id          INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    bot         TEXT NOT NULL,                          -- as in `sent_messages`
    chat_id     TEXT NOT NULL,
    message_id  INTEGER NOT NULL,
    body        TEXT NOT NULL,                          -- text and entities as they were sent, as JSON
    shown       TEXT NOT NULL DEFAULT '',               -- what it shows since it was changed last; nothing: as it was sent
    UNIQUE (delivery_id, chat_id, message_id)
);
