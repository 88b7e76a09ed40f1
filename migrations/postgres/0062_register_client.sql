-- When the operating body approved a service. Until then it is in the sandbox: open to people of test
-- facilities only.
ALTER TABLE service ADD COLUMN live_at BIGINT;
UPDATE service SET live_at = created_at;
-- Initial access tokens (RFC 7591 §1.2): each registers so many services, for one organisation.
CREATE TABLE initial_access_token (
    id TEXT PRIMARY KEY, -- UUIDv7
    token_hash BYTEA NOT NULL UNIQUE, -- SHA-256
    organisation_id TEXT REFERENCES organisation (id), -- who runs what is registered by it
    uses_left BIGINT NOT NULL CHECK (uses_left >= 0),
    created_at BIGINT NOT NULL,
    created_by TEXT, -- person; absent: the operator of the host
    expires_at BIGINT NOT NULL
);
-- By which token a service reads, changes and removes its own registration (RFC 7592 §1.3).
CREATE TABLE registration_access_token (
    token_hash BYTEA PRIMARY KEY, -- SHA-256
    service_id TEXT NOT NULL UNIQUE REFERENCES service (id),
    created_at BIGINT NOT NULL
);
