-- Certificates for services' servers (RFC 8555, decision 0040).
-- A key by which an account is bound to a service (RFC 8555 section 7.3.4): it opens one account.
CREATE TABLE acme_binding (
    id TEXT PRIMARY KEY, -- kid
    service_id TEXT NOT NULL REFERENCES service (id),
    sealed_key BYTEA, -- HMAC key under the instance's sealing key; gone with its use or end
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT, -- used, withdrawn or replaced
    account_id TEXT -- what it opened
);
CREATE INDEX acme_binding_by_service ON acme_binding (service_id);
CREATE TABLE acme_account (
    id TEXT PRIMARY KEY, -- UUIDv7
    service_id TEXT NOT NULL REFERENCES service (id),
    thumbprint TEXT NOT NULL UNIQUE, -- RFC 7638
    jwk TEXT NOT NULL,
    contact TEXT NOT NULL, -- JSON list of addresses
    created_at BIGINT NOT NULL,
    deactivated_at BIGINT
);
CREATE INDEX acme_account_by_service ON acme_account (service_id);
CREATE TABLE acme_order (
    id TEXT PRIMARY KEY, -- UUIDv7
    account_id TEXT NOT NULL REFERENCES acme_account (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    names TEXT NOT NULL, -- JSON list of DNS names
    replaces_issuer_id TEXT, -- RFC 9773 section 5
    replaces_serial BYTEA,
    spki_sha256 BYTEA, -- the key that it is being or was fulfilled for
    claimed_at BIGINT,
    issuer_id TEXT,
    serial BYTEA
);
CREATE INDEX acme_order_by_account ON acme_order (account_id, created_at);
CREATE UNIQUE INDEX acme_order_by_certificate ON acme_order (issuer_id, serial);
CREATE INDEX acme_order_by_expiry ON acme_order (expires_at);
CREATE INDEX acme_order_by_replaced ON acme_order (replaces_issuer_id, replaces_serial);
-- The proof that an account holds a name, for one order.
CREATE TABLE acme_authorization (
    id TEXT PRIMARY KEY, -- UUIDv7
    order_id TEXT NOT NULL REFERENCES acme_order (id),
    name TEXT NOT NULL,
    state TEXT NOT NULL, -- pending, valid, invalid, deactivated
    http_token TEXT NOT NULL,
    tls_token TEXT NOT NULL,
    tried TEXT, -- http-01 or tls-alpn-01, also while the host is being asked
    tried_at BIGINT,
    fault TEXT, -- type and words of the failure, JSON
    UNIQUE (order_id, name)
);
-- Nonces that were used (RFC 8555 section 6.5).
CREATE TABLE acme_nonce (
    nonce BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX acme_nonce_by_expiry ON acme_nonce (expires_at);
-- Whose key it is: a key of a service's server is no other service's and no device's.
CREATE TABLE server_key (
    spki_sha256 BYTEA PRIMARY KEY, -- SHA-256 of the SubjectPublicKeyInfo
    service_id TEXT NOT NULL REFERENCES service (id),
    claimed_at BIGINT NOT NULL
);
