-- How often the tasks of a run asked each provider of each chain. Goes with its run.

CREATE TABLE provider_requests (
    run_id   INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    task     TEXT NOT NULL,
    chain    INTEGER NOT NULL,
    provider TEXT NOT NULL,                             -- its host: the path of an address may hold a key
    requests INTEGER NOT NULL,
    answered INTEGER NOT NULL,                          -- of these; the others failed, were refused or took too long
    PRIMARY KEY (run_id, task, chain, provider)
) WITHOUT ROWID;
