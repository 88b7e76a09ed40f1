CREATE TABLE terminal (
    id TEXT PRIMARY KEY, -- T and ten characters
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT;
CREATE INDEX terminal_by_organisation ON terminal (organisation_id);
CREATE TABLE terminal_event (
    id TEXT PRIMARY KEY, -- UUIDv7
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    at INTEGER NOT NULL,
    kind TEXT NOT NULL, -- created, enrolled, renewed, revoked
    person_id TEXT,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX terminal_event_by_terminal ON terminal_event (terminal_id, at);
CREATE TABLE enrolment_code (
    code_hash BLOB PRIMARY KEY,
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    tries_left INTEGER NOT NULL,
    used_at INTEGER,
    spki_sha256 BLOB, -- the key it was used with: the same key gets the same answer
    issuer_id TEXT,
    serial BLOB
) STRICT;
