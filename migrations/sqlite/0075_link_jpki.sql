-- My Number cards that people linked from a login by their HPKI card. No serial number of the JPKI stands anywhere.
CREATE TABLE jpki_link (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    serial_hash BLOB, -- keyed hash of the issuer's key and the serial number; erased when the link ends
    fingerprint BLOB NOT NULL, -- SHA-256 of the certificate, as it stands in what the card signed
    public_key BLOB NOT NULL, -- PKCS #1; verifies what the card signed without the certificate
    not_after INTEGER NOT NULL, -- of the certificate
    voucher_fingerprint BLOB NOT NULL REFERENCES card_certificate (fingerprint), -- HPKI certificate that vouches
    voucher_evidence_id TEXT NOT NULL, -- login_evidence: what the HPKI card signed in that session
    evidence_id TEXT NOT NULL, -- login_evidence: what the My Number card signed in it
    linked_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT, -- unlinked, replaced
    CHECK ((serial_hash IS NULL) = (ended_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX jpki_link_by_serial ON jpki_link (serial_hash) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX jpki_link_by_person ON jpki_link (person_id) WHERE ended_at IS NULL;
-- Ended ones too: the person is told of them.
CREATE INDEX jpki_link_of_person ON jpki_link (person_id);
CREATE INDEX jpki_link_by_fingerprint ON jpki_link (fingerprint);
-- The answer counts for this living session only.
ALTER TABLE login_challenge ADD COLUMN session_hash BLOB;
CREATE INDEX login_challenge_by_session ON login_challenge (session_hash) WHERE session_hash IS NOT NULL;
-- When the card that proved the session left its reader for another one that the session asked for.
ALTER TABLE session ADD COLUMN room_made_at INTEGER;
