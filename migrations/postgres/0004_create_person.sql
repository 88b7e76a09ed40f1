CREATE TABLE person (
    id TEXT PRIMARY KEY, -- UUIDv7
    created_at BIGINT NOT NULL
);
-- Personal data of a person, apart from everything that refers to them.
CREATE TABLE person_name (
    person_id TEXT PRIMARY KEY REFERENCES person (id),
    name TEXT NOT NULL, -- kanji
    name_kana TEXT NOT NULL,
    name_romaji TEXT NOT NULL,
    search_key TEXT NOT NULL
);
-- How people without a card log in. The login name is folded to lower case.
CREATE TABLE account (
    person_id TEXT PRIMARY KEY REFERENCES person (id),
    login_name TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    password_phc TEXT, -- argon2id, PHC string; absent until first use of the link
    password_set_at BIGINT,
    totp_sealed BYTEA, -- secret under the instance's sealing key
    totp_last_step BIGINT, -- RFC 6238 §5.2: a step is accepted once
    totp_confirmed_at BIGINT
);
CREATE TABLE one_time_link (
    token_hash BYTEA PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES person (id),
    purpose TEXT NOT NULL, -- first_use
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE TABLE sign_in_failure (
    subject TEXT PRIMARY KEY, -- account:NAME or address:IP
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    locked_until BIGINT NOT NULL
);
CREATE TABLE role_grant (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    role TEXT NOT NULL, -- operating_administrator, accreditation_officer, facility_administrator, service_owner, auditor
    organisation_id TEXT REFERENCES organisation (id), -- for facility_administrator and service_owner
    granted_at BIGINT NOT NULL,
    granted_by TEXT,
    withdrawn_at BIGINT,
    withdrawn_by TEXT
);
CREATE INDEX role_grant_by_person ON role_grant (person_id) WHERE withdrawn_at IS NULL;
-- A person is (issuing CA, subject serialNumber) once a card has spoken.
CREATE TABLE card_identity (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    issuer_hash BYTEA NOT NULL, -- SHA-256 of the issuer's DER name
    issuer TEXT NOT NULL,
    serial_number TEXT NOT NULL,
    linked_at BIGINT NOT NULL,
    UNIQUE (issuer_hash, serial_number)
);
CREATE TABLE card_certificate (
    fingerprint BYTEA PRIMARY KEY, -- SHA-256
    card_identity_id TEXT NOT NULL REFERENCES card_identity (id),
    der BYTEA NOT NULL,
    not_after BIGINT NOT NULL,
    first_seen_at BIGINT NOT NULL
);
CREATE INDEX card_certificate_by_identity ON card_certificate (card_identity_id);
