-- What a facility chose, a row for each question; without one the configuration's answer holds.
CREATE TABLE facility_policy (
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    about TEXT NOT NULL, -- card_removal; untold_services: those that hear of no logout, at shared terminals
    policy TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL, -- person
    PRIMARY KEY (organisation_id, about)
) STRICT;
INSERT INTO facility_policy (organisation_id, about, policy, changed_at, changed_by)
SELECT organisation_id, 'card_removal', policy, changed_at, changed_by FROM card_removal_policy;
DROP TABLE card_removal_policy;
-- Since when a terminal is one person's alone; without it several people use it in turn.
ALTER TABLE terminal ADD COLUMN personal_at INTEGER;
