-- Whose key it is. Only ever added to: a key that one device had is never another's.
CREATE TABLE subscriber_key (
    spki_sha256 BLOB PRIMARY KEY, -- SHA-256 of the SubjectPublicKeyInfo
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    claimed_at INTEGER NOT NULL
) STRICT;
INSERT INTO subscriber_key (spki_sha256, terminal_id, claimed_at)
    SELECT c.spki_sha256, MIN(c.terminal_id), MIN(c.issued_at)
    FROM certificate c JOIN terminal t ON t.id = c.terminal_id
    GROUP BY c.spki_sha256;
