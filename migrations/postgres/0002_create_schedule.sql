-- One process at a time runs a scheduled job.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    held_until BIGINT NOT NULL
);
-- What must reach somebody else: written with the change, delivered after it.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY, -- UUIDv7
    kind TEXT NOT NULL, -- notice, backchannel_logout
    payload TEXT NOT NULL, -- JSON
    created_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    done_at BIGINT,
    last_error TEXT
);
CREATE INDEX outbox_due ON outbox (next_at) WHERE done_at IS NULL;
