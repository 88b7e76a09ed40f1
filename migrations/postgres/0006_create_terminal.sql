CREATE TABLE terminal (
    id TEXT PRIMARY KEY, -- T and ten characters
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX terminal_by_organisation ON terminal (organisation_id);
CREATE TABLE terminal_event (
    id TEXT PRIMARY KEY, -- UUIDv7
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL, -- created, enrolled, renewed, code_misused, revoked
    person_id TEXT,
    reason TEXT NOT NULL
);
CREATE INDEX terminal_event_by_terminal ON terminal_event (terminal_id, at);
CREATE UNIQUE INDEX terminal_revoked_once ON terminal_event (terminal_id) WHERE kind = 'revoked';
-- Codes of at least 80 random bits, bound to one terminal and through it to one facility.
CREATE TABLE enrolment_code (
    code_hash BYTEA PRIMARY KEY,
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries_left BIGINT NOT NULL,
    created_by TEXT NOT NULL, -- person
    withdrawn_at BIGINT, -- a newer code took its place, or the terminal was revoked
    used_at BIGINT,
    spki_sha256 BYTEA, -- the key it was used with: the same key gets the same answer
    claimed_at BIGINT, -- latest start of the issuance: one at a time, repeatable after a crash
    issuer_id TEXT,
    serial BYTEA,
    misused_at BIGINT -- first time somebody brought it with another key
);
CREATE INDEX enrolment_code_by_terminal ON enrolment_code (terminal_id, created_at);
