-- What somebody has to be told, brought by the outbox: here its addressee finds it.
CREATE TABLE notice (
    id TEXT PRIMARY KEY, -- of the outbox message: one delivered twice stands once
    addressee TEXT NOT NULL, -- role:TOKEN, role:TOKEN@ORGANISATION, or person:ID
    kind TEXT NOT NULL,
    facts TEXT NOT NULL, -- JSON object
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX notice_by_addressee ON notice (addressee, at);
CREATE TABLE notice_read (
    notice_id TEXT NOT NULL REFERENCES notice (id),
    person_id TEXT NOT NULL REFERENCES person (id),
    at INTEGER NOT NULL,
    PRIMARY KEY (notice_id, person_id)
) STRICT;
