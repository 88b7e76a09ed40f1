CREATE TABLE membership (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    created_at BIGINT NOT NULL,
    UNIQUE (person_id, organisation_id)
);
CREATE TABLE membership_event (
    id TEXT PRIMARY KEY, -- UUIDv7
    membership_id TEXT NOT NULL REFERENCES membership (id),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL, -- started, ended
    person_id TEXT,
    reason TEXT NOT NULL
);
CREATE TABLE invitation (
    id TEXT PRIMARY KEY, -- UUIDv7
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    code_hash BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_kana TEXT NOT NULL,
    expected_role TEXT NOT NULL, -- hcRole name, verbatim
    licence_number TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries_left BIGINT NOT NULL,
    redeemed_at BIGINT,
    redeemed_by TEXT, -- person
    withdrawn_at BIGINT
);
-- A card that redeemed an invitation without matching it: the administrator sees both side by side.
CREATE TABLE invitation_claim (
    id TEXT PRIMARY KEY, -- UUIDv7
    invitation_id TEXT NOT NULL UNIQUE REFERENCES invitation (id),
    person_id TEXT NOT NULL REFERENCES person (id),
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    seen_name TEXT NOT NULL,
    seen_roles TEXT NOT NULL, -- JSON list
    mismatch TEXT NOT NULL, -- name, role, or both
    at BIGINT NOT NULL,
    decision TEXT, -- accepted, refused
    decided_at BIGINT,
    decided_by TEXT
);
