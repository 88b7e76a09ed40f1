-- Passes for a day, for people who left their card at home: asked for by one colleague, given by another at the same
-- terminal.
CREATE TABLE day_pass (
    id TEXT PRIMARY KEY, -- UUIDv7
    organisation_id TEXT NOT NULL REFERENCES organisation (id), -- where it counts
    terminal_id TEXT NOT NULL REFERENCES terminal (id), -- where both colleagues logged in
    person_id TEXT NOT NULL REFERENCES person (id), -- for whom
    voucher_fingerprint BLOB NOT NULL REFERENCES card_certificate (fingerprint), -- of the card at home: vouches for the profession
    asked_by TEXT NOT NULL REFERENCES person (id),
    asked_at INTEGER NOT NULL,
    confirm_by INTEGER NOT NULL, -- nobody confirms it from then on
    given_by TEXT REFERENCES person (id) CHECK (given_by NOT IN (asked_by, person_id)),
    given_at INTEGER,
    code_hash BLOB, -- SHA-256 of what the slip shows
    pin_phc TEXT, -- argon2id of what the person chose
    valid_until INTEGER,
    tries_left INTEGER NOT NULL, -- wrong PINs that it survives
    ended_at INTEGER,
    end_reason TEXT,
    CHECK (asked_by <> person_id)
) STRICT;
CREATE UNIQUE INDEX day_pass_by_code ON day_pass (code_hash);
CREATE INDEX day_pass_by_person ON day_pass (person_id, given_at);
CREATE INDEX day_pass_by_organisation ON day_pass (organisation_id, given_at);
CREATE INDEX day_pass_waiting ON day_pass (terminal_id, confirm_by) WHERE given_at IS NULL AND ended_at IS NULL;
-- Logins by them; session.evidence_id names a row here after such a login.
CREATE TABLE day_pass_login (
    id TEXT PRIMARY KEY, -- UUIDv7
    day_pass_id TEXT NOT NULL REFERENCES day_pass (id),
    at INTEGER NOT NULL,
    terminal_fingerprint BLOB NOT NULL -- SHA-256 of the facility certificate of the connection
) STRICT;
CREATE INDEX day_pass_login_by_pass ON day_pass_login (day_pass_id);
