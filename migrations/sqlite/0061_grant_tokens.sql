-- What a client was granted. Everything that is given out under a grant, access tokens and refresh
-- tokens, counts while the grant and its session do.
CREATE TABLE token_grant (
    id TEXT PRIMARY KEY, -- UUIDv7
    service_id TEXT NOT NULL REFERENCES service (id),
    session_hash BLOB NOT NULL REFERENCES session (id_hash),
    code_hash BLOB UNIQUE, -- the code that it came of; kept past the code
    scope TEXT NOT NULL,
    claims TEXT NOT NULL, -- JSON object: the snapshot that the tokens say
    details TEXT NOT NULL, -- JSON object, the server's
    created_at INTEGER NOT NULL,
    withdrawn_at INTEGER
) STRICT;
CREATE INDEX token_grant_by_session ON token_grant (session_hash);
INSERT INTO token_grant
    SELECT lower(hex(c.code_hash)), c.service_id, c.session_hash, c.code_hash, c.scope, c.claims, '{}',
           c.consumed_at, (SELECT MAX(t.withdrawn_at) FROM access_token t WHERE t.code_hash = c.code_hash)
    FROM authorization_code c WHERE c.consumed_at IS NOT NULL;
DROP TABLE access_token;
DROP TABLE authorization_code;
-- A code lives a minute; what it led to stands in token_grant.
CREATE TABLE authorization_code (
    code_hash BLOB PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES service (id),
    session_hash BLOB NOT NULL REFERENCES session (id_hash),
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT, -- PKCE, S256
    scope TEXT NOT NULL,
    claims TEXT NOT NULL, -- JSON: the snapshot that the tokens will say
    details TEXT NOT NULL, -- JSON object, the server's: nonce, audience, bound key
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
-- A refresh token (RFC 6749 §1.5), by hash. One that rotates is used once (RFC 9700 §4.14.2).
CREATE TABLE refresh_token (
    token_hash BLOB PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES token_grant (id),
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE INDEX refresh_token_by_grant ON refresh_token (grant_id);
-- Access tokens that were revoked one by one (RFC 7009), until they would have ended.
CREATE TABLE revoked_token (
    id TEXT PRIMARY KEY, -- jti
    expires_at INTEGER NOT NULL
) STRICT;
-- Proofs of possession (RFC 9449 §11.1) that were accepted, so that each is accepted once.
CREATE TABLE dpop_proof (
    proof_hash BLOB PRIMARY KEY, -- SHA-256 over the key's thumbprint and jti
    expires_at INTEGER NOT NULL
) STRICT;
-- Authorization requests that a client sent ahead (RFC 9126), by hash of their reference.
CREATE TABLE pushed_request (
    id_hash BLOB PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES service (id),
    parameters TEXT NOT NULL, -- urlencoded
    details TEXT NOT NULL, -- JSON object, the server's: bound key
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
-- What else was registered for a client: JSON object of client metadata (RFC 7591 §2), the server's.
ALTER TABLE service ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
-- What is over is found by when it ended.
CREATE INDEX authorization_code_by_expiry ON authorization_code (expires_at);
CREATE INDEX refresh_token_by_expiry ON refresh_token (expires_at);
CREATE INDEX revoked_token_by_expiry ON revoked_token (expires_at);
CREATE INDEX dpop_proof_by_expiry ON dpop_proof (expires_at);
CREATE INDEX pushed_request_by_expiry ON pushed_request (expires_at);
