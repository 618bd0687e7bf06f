-- What the checks of monitor files need beside what plain scripts keep.

ALTER TABLE conditions ADD COLUMN about TEXT NOT NULL DEFAULT '';       -- what is watched, in one line
ALTER TABLE conditions ADD COLUMN value TEXT NOT NULL DEFAULT '';       -- the last reading in words
ALTER TABLE conditions ADD COLUMN judged_at TEXT;                       -- when a known reading was judged last
ALTER TABLE conditions ADD COLUMN blind_since TEXT;                     -- nothing is known of it since then
ALTER TABLE conditions ADD COLUMN blind_by TEXT NOT NULL DEFAULT '';    -- the source to blame: a chain, a host, a call
ALTER TABLE conditions ADD COLUMN blind_why TEXT NOT NULL DEFAULT '';   -- and what it said
ALTER TABLE conditions ADD COLUMN declared INTEGER NOT NULL DEFAULT 0;  -- 1: by a monitor file, and ends with its check
CREATE INDEX condition_blind ON conditions (blind_since) WHERE blind_since IS NOT NULL;

-- Blindness that is over: for so long silence proved nothing.
CREATE TABLE blind_spells (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    source   TEXT NOT NULL,
    since    TEXT NOT NULL,
    until    TEXT NOT NULL,
    checks   INTEGER NOT NULL                           -- how many were blind
);
CREATE INDEX blind_spell_end ON blind_spells (until);

-- What reading chains is worth remembering: token names, signatures, the last block judged of each chain.
CREATE TABLE chain_memory (
    kind       TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
