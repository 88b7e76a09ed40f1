-- IPv6 prefixes of facilities, one for each for ever: whose an address is must be known years later.
CREATE TABLE facility_prefix (
    organisation_id TEXT PRIMARY KEY REFERENCES organisation (id),
    prefix TEXT NOT NULL UNIQUE, -- address/length
    first BLOB NOT NULL UNIQUE, -- first and last address, 16 octets each, by which an address is found
    last BLOB NOT NULL UNIQUE,
    plan TEXT NOT NULL, -- the block of the network's plan that it was taken of
    number INTEGER NOT NULL, -- place in that block, from 0
    assigned_at INTEGER NOT NULL,
    assigned_by TEXT NOT NULL, -- a person, or `host`
    UNIQUE (plan, number),
    CHECK (first < last)
) STRICT;
