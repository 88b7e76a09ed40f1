-- Which browser profile a session stands in, and which services confirmed its end there.
ALTER TABLE session ADD COLUMN profile_hash BLOB; -- SHA-256 of the profile's cookie and the terminal
CREATE INDEX session_by_profile ON session (profile_hash) WHERE ended_at IS NULL;
CREATE TABLE logout_confirmation (
    session_hash BLOB NOT NULL REFERENCES session (id_hash),
    service_id TEXT NOT NULL REFERENCES service (id),
    profile_hash BLOB NOT NULL,
    person_id TEXT NOT NULL REFERENCES person (id),
    message_id TEXT NOT NULL, -- of the notice in the outbox, which is removed when it is old
    asked_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    PRIMARY KEY (session_hash, service_id)
) STRICT;
CREATE INDEX logout_confirmation_awaited ON logout_confirmation (profile_hash) WHERE confirmed_at IS NULL;
