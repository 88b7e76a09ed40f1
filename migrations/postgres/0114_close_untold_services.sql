-- Since when a terminal is one person's alone; without it several people use it in turn.
ALTER TABLE terminal ADD COLUMN personal_at BIGINT;
-- What a facility chose for services that are not told of logouts, at its shared terminals.
CREATE TABLE untold_services_policy (
    organisation_id TEXT PRIMARY KEY REFERENCES organisation (id),
    policy TEXT NOT NULL, -- allowed, forbidden
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL -- person
);
