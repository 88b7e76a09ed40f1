-- Passkeys as second factors of accounts without a card (decision 0050): nothing without the password, and no profession.
CREATE TABLE account_passkey (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    credential_id BYTEA NOT NULL, -- as the authenticator names it
    credential TEXT NOT NULL, -- public key, signature counter, flags: JSON of the WebAuthn library
    name TEXT NOT NULL, -- by which the person knows it
    enrolled_by TEXT NOT NULL, -- password_login: the login by both factors in which it was enrolled
    enrolled_at BIGINT NOT NULL,
    last_used_at BIGINT,
    held_at BIGINT, -- since its counter went back
    removed_at BIGINT -- by its person, or with all their factors
);
-- Removed ones too: no credential is enrolled twice.
CREATE UNIQUE INDEX account_passkey_by_credential ON account_passkey (credential_id);
CREATE INDEX account_passkey_by_person ON account_passkey (person_id);
-- One more word each; their other columns stay.
ALTER TABLE password_login DROP CONSTRAINT password_login_second_factor_check;
ALTER TABLE password_login ADD CONSTRAINT password_login_second_factor_check
    CHECK (second_factor IN ('none', 'totp', 'recovery_code', 'passkey'));
ALTER TABLE passkey_challenge DROP CONSTRAINT passkey_challenge_purpose_check;
ALTER TABLE passkey_challenge ADD CONSTRAINT passkey_challenge_purpose_check
    CHECK (purpose IN ('login', 'enrol', 'second_factor', 'enrol_second_factor'));
-- What such passkeys signed beside a password.
CREATE TABLE account_passkey_login (
    login_id TEXT PRIMARY KEY REFERENCES password_login (id),
    account_passkey_id TEXT NOT NULL REFERENCES account_passkey (id),
    client_data BYTEA NOT NULL, -- as the browser wrote it
    authenticator_data BYTEA NOT NULL,
    signature BYTEA NOT NULL
);
CREATE INDEX account_passkey_login_by_passkey ON account_passkey_login (account_passkey_id);
