-- What people wrote to the bot: written in one transaction with its effect, so that no update counts twice.

CREATE TABLE handled_updates (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    bot         TEXT NOT NULL,                          -- the number of the bot's account
    update_id   INTEGER NOT NULL,                       -- Telegram's: after a quiet week it may begin lower than before
    handled_at  TEXT NOT NULL,
    kind        TEXT NOT NULL,                          -- command, tap
    account     INTEGER,                                -- the number of the Telegram account
    person      TEXT NOT NULL DEFAULT '',               -- of on_call.yaml; empty: somebody else
    chat_id     TEXT NOT NULL DEFAULT '',
    said        TEXT NOT NULL DEFAULT '',               -- the command or the name of the button, shortened
    outcome     TEXT NOT NULL,                          -- what came of it, in words
    calls       TEXT NOT NULL DEFAULT '',               -- what is still to be sent to Telegram, as JSON
    calls_until TEXT                                    -- when nobody waits for it any more
);
CREATE INDEX handled_update   ON handled_updates (bot, update_id);
CREATE INDEX handled_at       ON handled_updates (handled_at);
CREATE INDEX handled_unsent   ON handled_updates (id) WHERE calls <> '';
