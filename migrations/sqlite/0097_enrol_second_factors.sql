-- Passkeys as second factors of accounts without a card (decision 0050): nothing without the password, and no profession.
CREATE TABLE account_passkey (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    credential_id BLOB NOT NULL, -- as the authenticator names it
    credential TEXT NOT NULL, -- public key, signature counter, flags: JSON of the WebAuthn library
    name TEXT NOT NULL, -- by which the person knows it
    enrolled_by TEXT NOT NULL, -- password_login: the login by both factors in which it was enrolled
    enrolled_at INTEGER NOT NULL,
    last_used_at INTEGER,
    held_at INTEGER, -- since its counter went back
    removed_at INTEGER -- by its person, or with all their factors
) STRICT;
-- Removed ones too: no credential is enrolled twice.
CREATE UNIQUE INDEX account_passkey_by_credential ON account_passkey (credential_id);
CREATE INDEX account_passkey_by_person ON account_passkey (person_id);
-- One more word each; their other columns stay.
CREATE TABLE password_login_next (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    at INTEGER NOT NULL,
    terminal_fingerprint BLOB NOT NULL, -- SHA-256 of the facility certificate of the connection
    second_factor TEXT NOT NULL CHECK (second_factor IN ('none', 'totp', 'recovery_code', 'passkey'))
) STRICT;
INSERT INTO password_login_next SELECT id, person_id, at, terminal_fingerprint, second_factor FROM password_login;
DROP TABLE password_login;
ALTER TABLE password_login_next RENAME TO password_login;
CREATE INDEX password_login_by_person ON password_login (person_id);
CREATE TABLE passkey_challenge_next (
    challenge_hash BLOB PRIMARY KEY, -- SHA-256
    browser_hash BLOB NOT NULL, -- SHA-256 of the browser's cookie
    terminal_fingerprint BLOB NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('login', 'enrol', 'second_factor', 'enrol_second_factor')),
    state TEXT NOT NULL, -- with what the answer is verified: JSON of the WebAuthn library
    session_hash BLOB, -- the answer counts for this living session only
    session_evidence_id TEXT, -- what had proved it then
    return_to TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
INSERT INTO passkey_challenge_next
    SELECT challenge_hash, browser_hash, terminal_fingerprint, purpose, state, session_hash, session_evidence_id,
        return_to, created_at, expires_at, consumed_at FROM passkey_challenge;
DROP TABLE passkey_challenge;
ALTER TABLE passkey_challenge_next RENAME TO passkey_challenge;
CREATE INDEX passkey_challenge_by_expiry ON passkey_challenge (expires_at);
CREATE INDEX passkey_challenge_waiting ON passkey_challenge (terminal_fingerprint, created_at) WHERE consumed_at IS NULL;
-- What such passkeys signed beside a password.
CREATE TABLE account_passkey_login (
    login_id TEXT PRIMARY KEY REFERENCES password_login (id),
    account_passkey_id TEXT NOT NULL REFERENCES account_passkey (id),
    client_data BLOB NOT NULL, -- as the browser wrote it
    authenticator_data BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;
CREATE INDEX account_passkey_login_by_passkey ON account_passkey_login (account_passkey_id);
