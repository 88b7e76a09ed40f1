-- Revocation: events of a certificate have an order of their own, because the clocks of two
-- processes may differ; each act knows what it took back; lists are made from what changed.
ALTER TABLE revocation_event ADD COLUMN seq INTEGER NOT NULL DEFAULT 1; -- 1, 2, … of one certificate
ALTER TABLE revocation_event ADD COLUMN act TEXT NOT NULL DEFAULT ''; -- events of one decision share it
ALTER TABLE revocation_event ADD COLUMN scope TEXT NOT NULL DEFAULT 'certificate'; -- certificate, terminal, facility, key
ALTER TABLE revocation_event ADD COLUMN invalidity_at INTEGER; -- RFC 5280 §5.3.2, where known
ALTER TABLE revocation_event ADD COLUMN not_after INTEGER NOT NULL DEFAULT 0; -- of the certificate
UPDATE revocation_event SET not_after =
    (SELECT c.not_after FROM certificate c
     WHERE c.issuer_id = revocation_event.issuer_id AND c.serial = revocation_event.serial);
-- Second octet of the serial number, hexadecimal: lists are kept in chunks by it.
ALTER TABLE revocation_event ADD COLUMN chunk TEXT NOT NULL DEFAULT '';
UPDATE revocation_event SET chunk = substr(hex(serial), 3, 2);
CREATE INDEX revocation_event_by_chunk ON revocation_event (issuer_id, chunk, serial, seq);
DROP INDEX revocation_event_by_certificate;
-- The latest event of a certificate is its status; two processes cannot both be the latest.
CREATE UNIQUE INDEX revocation_event_order ON revocation_event (issuer_id, serial, seq);
CREATE INDEX revocation_event_by_act ON revocation_event (act);
CREATE INDEX certificate_by_organisation ON certificate (organisation_id);
-- What no list shows yet (edition is absent), and since which edition lists show it.
CREATE TABLE crl_change (
    event_id TEXT PRIMARY KEY REFERENCES revocation_event (id),
    issuer_id TEXT NOT NULL,
    serial BLOB NOT NULL,
    claimed_by TEXT, -- the attempt to make an edition that takes it in
    edition INTEGER
) STRICT;
CREATE INDEX crl_change_by_edition ON crl_change (issuer_id, edition);
INSERT INTO crl_change (event_id, issuer_id, serial) SELECT id, issuer_id, serial FROM revocation_event;
-- A key that somebody else has or may have: never certified again, whosever it was.
CREATE TABLE compromised_key (
    spki_sha256 BLOB PRIMARY KEY,
    at INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
-- An authority whose own certificate was taken back: nothing that it signed counts any more.
CREATE TABLE revoked_issuer (
    issuer_id TEXT PRIMARY KEY REFERENCES issuer (id),
    reason INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
