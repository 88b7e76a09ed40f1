-- Passkeys that people enrolled from a login by their HPKI card.
CREATE TABLE passkey (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    credential_id BLOB NOT NULL, -- as the authenticator names it
    credential TEXT NOT NULL, -- public key, signature counter, flags: JSON of the WebAuthn library
    name TEXT NOT NULL, -- by which the person knows it
    voucher_fingerprint BLOB NOT NULL REFERENCES card_certificate (fingerprint), -- HPKI certificate that vouches
    voucher_evidence_id TEXT NOT NULL, -- login_evidence: what the HPKI card signed in that session
    enrolled_at INTEGER NOT NULL,
    last_used_at INTEGER,
    held_at INTEGER, -- since its counter went back
    removed_at INTEGER
) STRICT;
-- Removed ones too: no credential is enrolled twice.
CREATE UNIQUE INDEX passkey_by_credential ON passkey (credential_id);
CREATE INDEX passkey_by_person ON passkey (person_id);
-- What passkeys signed at logins; session.evidence_id names a row here after such a login.
CREATE TABLE passkey_login (
    id TEXT PRIMARY KEY, -- UUIDv7
    passkey_id TEXT NOT NULL REFERENCES passkey (id),
    at INTEGER NOT NULL,
    terminal_fingerprint BLOB NOT NULL, -- SHA-256 of the facility certificate of the connection
    client_data BLOB NOT NULL, -- as the browser wrote it
    authenticator_data BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;
CREATE INDEX passkey_login_by_passkey ON passkey_login (passkey_id);
-- Challenges for passkeys, waiting for one answer.
CREATE TABLE passkey_challenge (
    challenge_hash BLOB PRIMARY KEY, -- SHA-256
    browser_hash BLOB NOT NULL, -- SHA-256 of the browser's cookie
    terminal_fingerprint BLOB NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('login', 'enrol')),
    state TEXT NOT NULL, -- with what the answer is verified: JSON of the WebAuthn library
    session_hash BLOB, -- the answer counts for this living session only
    session_evidence_id TEXT, -- what had proved it then
    return_to TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
CREATE INDEX passkey_challenge_by_expiry ON passkey_challenge (expires_at);
CREATE INDEX passkey_challenge_waiting ON passkey_challenge (terminal_fingerprint, created_at) WHERE consumed_at IS NULL;
