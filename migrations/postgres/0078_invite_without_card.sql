-- Somebody without a card is invited to open an account by the code.
ALTER TABLE invitation ADD COLUMN kind TEXT NOT NULL DEFAULT 'card' CHECK (kind IN ('card', 'account'));
-- Logins at terminals by password; session.evidence_id names a row here after such a login.
CREATE TABLE password_login (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    at BIGINT NOT NULL,
    terminal_fingerprint BYTEA NOT NULL, -- SHA-256 of the facility certificate of the connection
    second_factor TEXT NOT NULL CHECK (second_factor IN ('none', 'totp', 'recovery_code'))
);
CREATE INDEX password_login_by_person ON password_login (person_id);
