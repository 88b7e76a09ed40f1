-- What a service's owner asked of the operating body: to be let out of the sandbox.
CREATE TABLE going_live (
    id TEXT PRIMARY KEY, -- UUIDv7
    service_id TEXT NOT NULL REFERENCES service (id),
    purpose TEXT NOT NULL, -- the owner's words
    asked_by TEXT NOT NULL REFERENCES person (id),
    asked_at INTEGER NOT NULL,
    decided_at INTEGER,
    decided_by TEXT, -- person; absent: the operator of the host
    refused_because TEXT -- absent in a request that was decided: it was approved
) STRICT;
-- One waits at a time.
CREATE UNIQUE INDEX going_live_waiting ON going_live (service_id) WHERE decided_at IS NULL;
CREATE INDEX going_live_of_service ON going_live (service_id, asked_at);
