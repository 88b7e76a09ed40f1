-- With which peers a router's texts were taken last: what its peers are now is compared with it.
CREATE TABLE router_text (
    id TEXT PRIMARY KEY, -- UUIDv7: the highest of a router counts
    router_id TEXT NOT NULL REFERENCES router (terminal_id),
    fingerprint BYTEA NOT NULL, -- SHA-256 over peers and networks
    taken_at BIGINT NOT NULL,
    taken_by TEXT NOT NULL -- a person, or `host`
);
CREATE INDEX router_text_of_router ON router_text (router_id, id);
