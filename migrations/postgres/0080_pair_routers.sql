-- A pre-shared key of two routers, wrapped, until both have fetched it by their codes; then it is gone. Two
-- routers have one in force at most.
CREATE TABLE router_psk (
    id TEXT PRIMARY KEY, -- UUIDv7
    first_id TEXT NOT NULL REFERENCES router (terminal_id),
    second_id TEXT NOT NULL REFERENCES router (terminal_id),
    fingerprint BYTEA NOT NULL UNIQUE, -- SHA-256 of the key: none is ever used twice
    sealed BYTEA, -- NULL: both have it, or it ended
    first_code_hash BYTEA NOT NULL UNIQUE, -- SHA-256 of the code by which this end fetches it
    second_code_hash BYTEA NOT NULL UNIQUE,
    first_fetched_at BIGINT,
    second_fetched_at BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL, -- until when it can be fetched
    ended_at BIGINT,
    end_reason TEXT,
    CHECK (first_id < second_id),
    CHECK (sealed IS NULL OR ended_at IS NULL),
    CHECK (sealed IS NULL OR first_fetched_at IS NULL OR second_fetched_at IS NULL)
);
CREATE UNIQUE INDEX router_psk_in_force ON router_psk (first_id, second_id) WHERE ended_at IS NULL;
CREATE INDEX router_psk_of_first ON router_psk (first_id);
CREATE INDEX router_psk_of_second ON router_psk (second_id);
CREATE INDEX router_psk_waiting ON router_psk (expires_at) WHERE sealed IS NOT NULL;
