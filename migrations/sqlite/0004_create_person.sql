CREATE TABLE person (
    id TEXT PRIMARY KEY, -- UUIDv7
    created_at INTEGER NOT NULL
) STRICT;
-- Personal data of a person, apart from everything that refers to them.
CREATE TABLE person_name (
    person_id TEXT PRIMARY KEY REFERENCES person (id),
    name TEXT NOT NULL, -- kanji
    name_kana TEXT NOT NULL,
    name_romaji TEXT NOT NULL,
    search_key TEXT NOT NULL
) STRICT;
-- How people without a card log in. The login name is folded to lower case.
CREATE TABLE account (
    person_id TEXT PRIMARY KEY REFERENCES person (id),
    login_name TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    password_phc TEXT, -- argon2id, PHC string; absent until first use of the link
    password_set_at INTEGER,
    totp_sealed BLOB, -- secret under the instance's sealing key
    totp_last_step INTEGER, -- RFC 6238 §5.2: a step is accepted once
    totp_confirmed_at INTEGER
) STRICT;
CREATE TABLE one_time_link (
    token_hash BLOB PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES person (id),
    purpose TEXT NOT NULL, -- first_use
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE TABLE sign_in_failure (
    subject TEXT PRIMARY KEY, -- account:NAME or address:IP
    failures INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
) STRICT;
CREATE TABLE role_grant (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    role TEXT NOT NULL, -- operating_administrator, accreditation_officer, facility_administrator, service_owner, auditor
    organisation_id TEXT REFERENCES organisation (id), -- for facility_administrator and service_owner
    granted_at INTEGER NOT NULL,
    granted_by TEXT,
    withdrawn_at INTEGER,
    withdrawn_by TEXT
) STRICT;
CREATE INDEX role_grant_by_person ON role_grant (person_id) WHERE withdrawn_at IS NULL;
-- A person is (issuing CA, subject serialNumber) once a card has spoken.
CREATE TABLE card_identity (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    issuer_hash BLOB NOT NULL, -- SHA-256 of the issuer's DER name
    issuer TEXT NOT NULL,
    serial_number TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    UNIQUE (issuer_hash, serial_number)
) STRICT;
CREATE TABLE card_certificate (
    fingerprint BLOB PRIMARY KEY, -- SHA-256
    card_identity_id TEXT NOT NULL REFERENCES card_identity (id),
    der BLOB NOT NULL,
    not_after INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX card_certificate_by_identity ON card_certificate (card_identity_id);
