CREATE TABLE issuer (
    id TEXT PRIMARY KEY, -- root, terminals, routers, servers
    certificate_der BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
-- Reserved before any key may use it; kept for ever.
CREATE TABLE serial_number (
    issuer_id TEXT NOT NULL REFERENCES issuer (id),
    serial BLOB NOT NULL,
    reserved_at INTEGER NOT NULL,
    PRIMARY KEY (issuer_id, serial)
) STRICT;
-- What is about to be signed, durable before it is.
CREATE TABLE issuance_intention (
    issuer_id TEXT NOT NULL,
    serial BLOB NOT NULL,
    profile TEXT NOT NULL,
    tbs_der BLOB NOT NULL,
    organisation_id TEXT,
    terminal_id TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (issuer_id, serial),
    FOREIGN KEY (issuer_id, serial) REFERENCES serial_number (issuer_id, serial)
) STRICT;
CREATE TABLE certificate (
    issuer_id TEXT NOT NULL,
    serial BLOB NOT NULL,
    fingerprint BLOB NOT NULL UNIQUE, -- SHA-256 of the DER
    spki_sha256 BLOB NOT NULL,
    profile TEXT NOT NULL,
    organisation_id TEXT,
    terminal_id TEXT,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (issuer_id, serial),
    FOREIGN KEY (issuer_id, serial) REFERENCES issuance_intention (issuer_id, serial)
) STRICT;
CREATE INDEX certificate_by_terminal ON certificate (terminal_id);
CREATE INDEX certificate_by_key ON certificate (spki_sha256);
-- Only ever added to; the latest event of a certificate is its status.
CREATE TABLE revocation_event (
    id TEXT PRIMARY KEY, -- UUIDv7
    issuer_id TEXT NOT NULL,
    serial BLOB NOT NULL,
    kind TEXT NOT NULL, -- revoked, held, released
    reason INTEGER NOT NULL, -- RFC 5280 §5.3.1
    at INTEGER NOT NULL,
    FOREIGN KEY (issuer_id, serial) REFERENCES certificate (issuer_id, serial)
) STRICT;
CREATE INDEX revocation_event_by_certificate ON revocation_event (issuer_id, serial, at);
-- Revocation is final; only a hold is released.
CREATE UNIQUE INDEX revoked_once ON revocation_event (issuer_id, serial) WHERE kind = 'revoked';
CREATE TABLE crl (
    issuer_id TEXT NOT NULL REFERENCES issuer (id),
    number INTEGER NOT NULL, -- never goes back
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (issuer_id, number)
) STRICT;
