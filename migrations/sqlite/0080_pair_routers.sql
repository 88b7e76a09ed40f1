-- A pre-shared key of two routers, wrapped, until both have fetched it by their codes; then it is gone. Two
-- routers have one in force at most.
CREATE TABLE router_psk (
    id TEXT PRIMARY KEY, -- UUIDv7
    first_id TEXT NOT NULL REFERENCES router (terminal_id),
    second_id TEXT NOT NULL REFERENCES router (terminal_id),
    fingerprint BLOB NOT NULL UNIQUE, -- SHA-256 of the key: none is ever used twice
    sealed BLOB, -- NULL: both have it, or it ended
    first_code_hash BLOB NOT NULL UNIQUE, -- SHA-256 of the code by which this end fetches it
    second_code_hash BLOB NOT NULL UNIQUE,
    first_fetched_at INTEGER,
    second_fetched_at INTEGER,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL, -- until when it can be fetched
    ended_at INTEGER,
    end_reason TEXT,
    CHECK (first_id < second_id),
    CHECK (sealed IS NULL OR ended_at IS NULL),
    CHECK (sealed IS NULL OR first_fetched_at IS NULL OR second_fetched_at IS NULL)
) STRICT;
CREATE UNIQUE INDEX router_psk_in_force ON router_psk (first_id, second_id) WHERE ended_at IS NULL;
CREATE INDEX router_psk_of_first ON router_psk (first_id);
CREATE INDEX router_psk_of_second ON router_psk (second_id);
CREATE INDEX router_psk_waiting ON router_psk (expires_at) WHERE sealed IS NOT NULL;
