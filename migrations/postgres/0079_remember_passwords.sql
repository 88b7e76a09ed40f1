-- Passwords that a person chose, the one in force among them: none of the last few is chosen again.
CREATE TABLE chosen_password (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    phc TEXT NOT NULL, -- argon2id
    chosen_at BIGINT NOT NULL
);
CREATE INDEX chosen_password_by_person ON chosen_password (person_id);
-- Codes for the day on which the second factor is not at hand.
CREATE TABLE recovery_code (
    code_hash BYTEA PRIMARY KEY, -- SHA-256 of 95 random bits
    person_id TEXT NOT NULL REFERENCES person (id),
    made_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX recovery_code_by_person ON recovery_code (person_id);
-- A facility's administrator asked for new factors of a member; another person decides.
CREATE TABLE factor_reset (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    reason TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    asked_by TEXT NOT NULL, -- person
    expires_at BIGINT NOT NULL,
    decision TEXT CHECK (decision IN ('approved', 'refused')),
    decided_at BIGINT,
    decided_by TEXT CHECK (decision <> 'approved' OR (decided_by <> asked_by AND decided_by <> person_id))
);
CREATE INDEX factor_reset_open ON factor_reset (organisation_id, expires_at) WHERE decision IS NULL;
