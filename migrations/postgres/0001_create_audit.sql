-- Audit: records are written in the transaction of the change they tell of; links and checkpoints
-- follow within a second. Nothing here is ever updated or deleted, but for the salt and value of a
-- personal field whose person asked for erasure.
CREATE TABLE audit_record (
    id TEXT PRIMARY KEY, -- UUIDv7
    node TEXT NOT NULL,
    at BIGINT NOT NULL,
    act TEXT NOT NULL,
    outcome TEXT NOT NULL, -- done, refused
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    organisation_id TEXT,
    canonical BYTEA NOT NULL, -- the octets that are hashed
    leaf_hash BYTEA NOT NULL
);
CREATE INDEX audit_record_by_organisation ON audit_record (organisation_id, at);
CREATE TABLE audit_personal (
    record_id TEXT NOT NULL REFERENCES audit_record (id),
    field TEXT NOT NULL,
    salt BYTEA, -- erased together with the value
    value TEXT,
    PRIMARY KEY (record_id, field)
);
CREATE TABLE audit_link (
    node TEXT NOT NULL,
    seq BIGINT NOT NULL,
    record_id TEXT NOT NULL UNIQUE REFERENCES audit_record (id),
    link_hash BYTEA NOT NULL,
    PRIMARY KEY (node, seq)
);
CREATE TABLE audit_checkpoint (
    node TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    jws TEXT NOT NULL,
    PRIMARY KEY (node, seq)
);
