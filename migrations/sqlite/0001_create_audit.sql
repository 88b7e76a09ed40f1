-- Audit: records are written in the transaction of the change they tell of; links and checkpoints
-- follow within a second. Nothing here is ever updated or deleted, but for the salt and value of a
-- personal field whose person asked for erasure.
CREATE TABLE audit_record (
    id TEXT PRIMARY KEY, -- UUIDv7
    node TEXT NOT NULL,
    at INTEGER NOT NULL,
    act TEXT NOT NULL,
    outcome TEXT NOT NULL, -- done, refused
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    organisation_id TEXT,
    canonical BLOB NOT NULL, -- the octets that are hashed
    leaf_hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_record_by_organisation ON audit_record (organisation_id, at);
CREATE TABLE audit_personal (
    record_id TEXT NOT NULL REFERENCES audit_record (id),
    field TEXT NOT NULL,
    salt BLOB, -- erased together with the value
    value TEXT,
    PRIMARY KEY (record_id, field)
) STRICT;
CREATE TABLE audit_link (
    node TEXT NOT NULL,
    seq INTEGER NOT NULL,
    record_id TEXT NOT NULL UNIQUE REFERENCES audit_record (id),
    link_hash BLOB NOT NULL,
    PRIMARY KEY (node, seq)
) STRICT;
CREATE TABLE audit_checkpoint (
    node TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    jws TEXT NOT NULL,
    PRIMARY KEY (node, seq)
) STRICT;
