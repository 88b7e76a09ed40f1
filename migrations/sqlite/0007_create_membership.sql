CREATE TABLE membership (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    created_at INTEGER NOT NULL,
    UNIQUE (person_id, organisation_id)
) STRICT;
CREATE INDEX membership_by_organisation ON membership (organisation_id);
CREATE TABLE membership_event (
    id TEXT PRIMARY KEY, -- UUIDv7
    membership_id TEXT NOT NULL REFERENCES membership (id),
    at INTEGER NOT NULL,
    kind TEXT NOT NULL, -- started, ended
    person_id TEXT,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX membership_event_by_membership ON membership_event (membership_id, at);
CREATE TABLE invitation (
    id TEXT PRIMARY KEY, -- UUIDv7
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    code_hash BLOB NOT NULL UNIQUE,
    selector TEXT NOT NULL, -- first group of the code: finds whose tries a mistyped code costs
    name TEXT NOT NULL,
    name_kana TEXT NOT NULL,
    expected_role TEXT NOT NULL, -- hcRole name, verbatim
    licence_number TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    tries_left INTEGER NOT NULL,
    redeemed_at INTEGER,
    redeemed_by TEXT, -- person
    withdrawn_at INTEGER,
    held_by BLOB, -- browser in which the code was entered and the card is awaited
    held_until INTEGER
) STRICT;
CREATE INDEX invitation_by_selector ON invitation (organisation_id, selector);
-- A card that redeemed an invitation without matching it: the administrator sees both side by side.
CREATE TABLE invitation_claim (
    id TEXT PRIMARY KEY, -- UUIDv7
    invitation_id TEXT NOT NULL UNIQUE REFERENCES invitation (id),
    person_id TEXT NOT NULL REFERENCES person (id),
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    seen_name TEXT NOT NULL,
    seen_roles TEXT NOT NULL, -- JSON list
    mismatch TEXT NOT NULL, -- name, role, or both
    at INTEGER NOT NULL,
    decision TEXT, -- accepted, refused
    decided_at INTEGER,
    decided_by TEXT
) STRICT;
-- What happens to a session when its card leaves the reader; without a row: logout.
CREATE TABLE card_removal_policy (
    organisation_id TEXT PRIMARY KEY REFERENCES organisation (id),
    policy TEXT NOT NULL, -- logout, lock, keep
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT;
