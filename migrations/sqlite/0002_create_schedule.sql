-- One process at a time runs a scheduled job.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    held_until INTEGER NOT NULL
) STRICT;
-- What must reach somebody else: written with the change, delivered after it.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY, -- UUIDv7
    kind TEXT NOT NULL, -- notice, backchannel_logout
    payload TEXT NOT NULL, -- JSON
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    done_at INTEGER,
    last_error TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at) WHERE done_at IS NULL;
