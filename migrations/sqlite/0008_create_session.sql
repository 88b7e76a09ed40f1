-- A challenge is consumed first, whatever the verification then says.
CREATE TABLE login_challenge (
    nonce_hash BLOB PRIMARY KEY,
    browser_hash BLOB NOT NULL, -- the pre-login cookie it was given to
    terminal_fingerprint BLOB NOT NULL,
    page_thumbprint TEXT NOT NULL,
    request_jws TEXT NOT NULL,
    purpose TEXT NOT NULL,
    invitation_id TEXT,
    return_to TEXT, -- parked authorization request
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT;
CREATE INDEX login_challenge_by_terminal ON login_challenge (terminal_fingerprint, created_at);
CREATE INDEX login_challenge_by_expiry ON login_challenge (expires_at);
-- What was proven at a login, kept verifiable.
CREATE TABLE login_evidence (
    id TEXT PRIMARY KEY, -- UUIDv7
    at INTEGER NOT NULL,
    card_fingerprint BLOB NOT NULL,
    terminal_fingerprint BLOB NOT NULL,
    request_jws TEXT NOT NULL,
    signed_input BLOB NOT NULL,
    algorithm TEXT NOT NULL,
    signature BLOB NOT NULL,
    page_proof TEXT NOT NULL
) STRICT;
CREATE TABLE session (
    id_hash BLOB PRIMARY KEY,
    realm TEXT NOT NULL, -- portal, console
    person_id TEXT NOT NULL REFERENCES person (id),
    organisation_id TEXT,
    terminal_id TEXT,
    terminal_fingerprint BLOB,
    membership_id TEXT,
    hc_roles TEXT NOT NULL DEFAULT '[]', -- JSON list, verbatim from the card
    acr TEXT NOT NULL,
    amr TEXT NOT NULL, -- JSON list, RFC 8176
    auth_time INTEGER NOT NULL,
    evidence_id TEXT,
    presence_id TEXT,
    presence_at INTEGER, -- last word of the agent about the card
    presence_sequence INTEGER, -- of that word: a later one never undoes it
    locked_at INTEGER, -- the card left and the facility locks
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT
) STRICT;
CREATE INDEX session_by_terminal ON session (terminal_id) WHERE ended_at IS NULL;
CREATE INDEX session_by_membership ON session (membership_id, created_at);
CREATE INDEX session_by_person ON session (person_id) WHERE ended_at IS NULL;
CREATE INDEX session_by_presence ON session (presence_id) WHERE ended_at IS NULL;
