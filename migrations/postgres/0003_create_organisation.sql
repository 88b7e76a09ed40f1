-- An application to be entered into the register. Status follows from its events.
CREATE TABLE application (
    id TEXT PRIMARY KEY, -- UUIDv7
    receipt TEXT NOT NULL UNIQUE, -- what the applicant is told; not guessable
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    name_kana TEXT NOT NULL,
    prefecture BIGINT NOT NULL, -- JIS X 0401, 1 to 47
    postal_code TEXT NOT NULL,
    address TEXT NOT NULL,
    contact_name TEXT NOT NULL,
    contact_phone TEXT NOT NULL,
    contact_email TEXT NOT NULL,
    applicant_person_id TEXT, -- when the applicant was logged in
    created_at BIGINT NOT NULL
);
CREATE TABLE application_code (
    application_id TEXT NOT NULL REFERENCES application (id),
    scheme TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (application_id, scheme, value)
);
CREATE TABLE application_event (
    id TEXT PRIMARY KEY, -- UUIDv7
    application_id TEXT NOT NULL REFERENCES application (id),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL, -- applied, checked, approved, rejected
    person_id TEXT,
    note TEXT NOT NULL
);
CREATE UNIQUE INDEX application_decided_once ON application_event (application_id)
    WHERE kind IN ('approved', 'rejected');
-- The register, and at once the ledger of identifiers: a row is never deleted, so an identifier is
-- never assigned again.
CREATE TABLE organisation (
    id TEXT PRIMARY KEY, -- the immutable identifier, twelve digits
    application_id TEXT NOT NULL UNIQUE REFERENCES application (id),
    kind TEXT NOT NULL,
    prefecture BIGINT NOT NULL,
    postal_code TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE organisation_name (
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    name TEXT NOT NULL,
    name_kana TEXT NOT NULL,
    search_key TEXT NOT NULL, -- NFKC, kana folded
    valid_from BIGINT NOT NULL,
    valid_until BIGINT,
    PRIMARY KEY (organisation_id, valid_from)
);
CREATE UNIQUE INDEX organisation_name_current ON organisation_name (organisation_id) WHERE valid_until IS NULL;
CREATE TABLE organisation_code (
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    scheme TEXT NOT NULL,
    value TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT,
    PRIMARY KEY (organisation_id, scheme, value, valid_from)
);
CREATE UNIQUE INDEX organisation_code_current ON organisation_code (scheme, value) WHERE valid_until IS NULL;
CREATE TABLE organisation_event (
    id TEXT PRIMARY KEY, -- UUIDv7
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL, -- approved, activated, suspended, resumed, closed
    person_id TEXT,
    reason TEXT NOT NULL
);
CREATE INDEX organisation_event_by_organisation ON organisation_event (organisation_id, at);
-- Printed on the letter to the register's address.
CREATE TABLE activation_code (
    code_hash BYTEA PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    withdrawn_at BIGINT -- a later letter replaced it
);
