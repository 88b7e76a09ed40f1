-- A relying service: an OIDC client with its own authorization rules.
CREATE TABLE service (
    id TEXT PRIMARY KEY, -- client_id
    organisation_id TEXT REFERENCES organisation (id), -- who runs it
    name_ja TEXT NOT NULL,
    name_en TEXT NOT NULL,
    description_ja TEXT NOT NULL,
    description_en TEXT NOT NULL,
    home_url TEXT NOT NULL,
    sector TEXT NOT NULL, -- sector identifier for pairwise subjects (OIDC Core §8.1)
    auth_method TEXT NOT NULL, -- client_secret_basic, client_secret_post, private_key_jwt, none
    secret_hash BYTEA,
    jwks TEXT,
    backchannel_logout_uri TEXT,
    scopes TEXT NOT NULL, -- approved, space separated
    created_at BIGINT NOT NULL,
    withdrawn_at BIGINT
);
CREATE TABLE service_redirect_uri (
    service_id TEXT NOT NULL REFERENCES service (id),
    uri TEXT NOT NULL,
    kind TEXT NOT NULL, -- login, logout
    PRIMARY KEY (service_id, uri, kind)
);
-- Rules as data, versioned; the highest version is in force.
CREATE TABLE service_rules (
    service_id TEXT NOT NULL REFERENCES service (id),
    version BIGINT NOT NULL,
    rules TEXT NOT NULL, -- JSON, see the authz crate
    created_at BIGINT NOT NULL,
    created_by TEXT,
    PRIMARY KEY (service_id, version)
);
-- An authorization request waiting for a login at the same terminal.
CREATE TABLE parked_request (
    id_hash BYTEA PRIMARY KEY,
    terminal_fingerprint BYTEA NOT NULL,
    parameters TEXT NOT NULL, -- JSON object of the checked parameters
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    resumed_at BIGINT
);
CREATE TABLE authorization_code (
    code_hash BYTEA PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES service (id),
    session_hash BYTEA NOT NULL REFERENCES session (id_hash),
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    nonce TEXT,
    scope TEXT NOT NULL,
    claims TEXT NOT NULL, -- JSON: the snapshot that the tokens will say
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE TABLE access_token (
    id TEXT PRIMARY KEY, -- jti, UUIDv7
    code_hash BYTEA NOT NULL REFERENCES authorization_code (code_hash),
    service_id TEXT NOT NULL REFERENCES service (id),
    session_hash BYTEA NOT NULL REFERENCES session (id_hash),
    scope TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    withdrawn_at BIGINT
);
CREATE INDEX access_token_by_code ON access_token (code_hash);
-- A client's signed assertion counts once (RFC 7523 §3); kept past its end.
CREATE TABLE client_assertion (
    service_id TEXT NOT NULL REFERENCES service (id),
    jti_hash BYTEA NOT NULL, -- SHA-256
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (service_id, jti_hash)
);
