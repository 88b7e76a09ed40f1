-- How far the setting up of a router is: what its technician was given to follow it by, and what routers say of
-- their tunnels.

-- A link for the technician of a router, by its code alone. A router has one living at most.
CREATE TABLE router_setup (
    id TEXT PRIMARY KEY, -- UUIDv7
    router_id TEXT NOT NULL REFERENCES router (terminal_id),
    code_hash BLOB NOT NULL UNIQUE, -- SHA-256
    key_kind TEXT NOT NULL, -- of the keys that the texts make: p256, rsa3072
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    opened_at INTEGER, -- when somebody first opened it
    ended_at INTEGER,
    end_reason TEXT,
    CHECK (key_kind IN ('p256', 'rsa3072'))
) STRICT;
CREATE UNIQUE INDEX router_setup_living ON router_setup (router_id) WHERE ended_at IS NULL;
CREATE INDEX router_setup_of_router ON router_setup (router_id);

-- The tunnels that are to be set up by it.
CREATE TABLE router_setup_peer (
    setup_id TEXT NOT NULL REFERENCES router_setup (id),
    peer_id TEXT NOT NULL REFERENCES router (terminal_id),
    seen_at INTEGER, -- when the technician said to have seen it up
    PRIMARY KEY (setup_id, peer_id)
) STRICT;
CREATE INDEX router_setup_peer_of_peer ON router_setup_peer (peer_id);

-- What a router last said of its tunnel with another. The other end says for itself.
CREATE TABLE router_tunnel (
    router_id TEXT NOT NULL REFERENCES router (terminal_id),
    peer_id TEXT NOT NULL REFERENCES router (terminal_id),
    up INTEGER NOT NULL,
    since INTEGER NOT NULL, -- when it first said so, after it had said otherwise
    first_up_at INTEGER,
    heard_at INTEGER NOT NULL,
    PRIMARY KEY (router_id, peer_id),
    CHECK (router_id <> peer_id)
) STRICT;

-- By what an end of a pair that has a key and no certificate proves itself when it tells of its tunnels:
-- SHA-256 of a code that it got with the key. NULL: it fetched the key before there was one.
ALTER TABLE router_psk ADD COLUMN first_report_hash BLOB;
ALTER TABLE router_psk ADD COLUMN second_report_hash BLOB;
CREATE UNIQUE INDEX router_psk_first_report ON router_psk (first_report_hash);
CREATE UNIQUE INDEX router_psk_second_report ON router_psk (second_report_hash);
