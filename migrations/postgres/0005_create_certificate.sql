CREATE TABLE issuer (
    id TEXT PRIMARY KEY, -- root, terminals, routers, servers
    certificate_der BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
-- Reserved before any key may use it; kept for ever.
CREATE TABLE serial_number (
    issuer_id TEXT NOT NULL REFERENCES issuer (id),
    serial BYTEA NOT NULL,
    reserved_at BIGINT NOT NULL,
    PRIMARY KEY (issuer_id, serial)
);
-- What is about to be signed, durable before it is.
CREATE TABLE issuance_intention (
    issuer_id TEXT NOT NULL,
    serial BYTEA NOT NULL,
    profile TEXT NOT NULL,
    tbs_der BYTEA NOT NULL,
    organisation_id TEXT,
    terminal_id TEXT,
    at BIGINT NOT NULL,
    PRIMARY KEY (issuer_id, serial),
    FOREIGN KEY (issuer_id, serial) REFERENCES serial_number (issuer_id, serial)
);
CREATE TABLE certificate (
    issuer_id TEXT NOT NULL,
    serial BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL UNIQUE, -- SHA-256 of the DER
    spki_sha256 BYTEA NOT NULL,
    profile TEXT NOT NULL,
    organisation_id TEXT,
    terminal_id TEXT,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    der BYTEA NOT NULL,
    PRIMARY KEY (issuer_id, serial),
    FOREIGN KEY (issuer_id, serial) REFERENCES issuance_intention (issuer_id, serial)
);
CREATE INDEX certificate_by_terminal ON certificate (terminal_id);
CREATE INDEX certificate_by_key ON certificate (spki_sha256);
-- Only ever added to; the latest event of a certificate is its status.
CREATE TABLE revocation_event (
    id TEXT PRIMARY KEY, -- UUIDv7
    issuer_id TEXT NOT NULL,
    serial BYTEA NOT NULL,
    kind TEXT NOT NULL, -- revoked, held, released
    reason BIGINT NOT NULL, -- RFC 5280 §5.3.1
    at BIGINT NOT NULL,
    FOREIGN KEY (issuer_id, serial) REFERENCES certificate (issuer_id, serial)
);
CREATE INDEX revocation_event_by_certificate ON revocation_event (issuer_id, serial, at);
-- Revocation is final; only a hold is released.
CREATE UNIQUE INDEX revoked_once ON revocation_event (issuer_id, serial) WHERE kind = 'revoked';
CREATE TABLE crl (
    issuer_id TEXT NOT NULL REFERENCES issuer (id),
    number BIGINT NOT NULL, -- never goes back
    this_update BIGINT NOT NULL,
    next_update BIGINT NOT NULL,
    der BYTEA NOT NULL,
    PRIMARY KEY (issuer_id, number)
);
