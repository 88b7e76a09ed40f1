-- What services of the sandbox were seen to do: a row for each line of the self-check of which something is known.
CREATE TABLE service_check (
    service_id TEXT NOT NULL REFERENCES service (id),
    line TEXT NOT NULL, -- redirect, clock, notice, signature
    state TEXT NOT NULL, -- asked, open, good, bad
    detail TEXT NOT NULL, -- what was seen, a token; for the clock by how many seconds it is ahead
    grant_id TEXT, -- of the login with a wrong signature
    at INTEGER NOT NULL,
    PRIMARY KEY (service_id, line)
) STRICT;
