-- What a service says about personal data that leave the facility's purpose: ground, items, users, purpose and
-- responsible body, as JSON. Without it they do not.
ALTER TABLE service ADD COLUMN personal_data TEXT;
-- What a person agreed that a service is told of them.
CREATE TABLE consent (
    id TEXT PRIMARY KEY, -- UUIDv7
    person_id TEXT NOT NULL REFERENCES person (id),
    service_id TEXT NOT NULL REFERENCES service (id),
    declared TEXT NOT NULL, -- service.personal_data as it was shown
    claims TEXT NOT NULL, -- as they were shown, space separated
    given_at INTEGER NOT NULL,
    ended_at INTEGER -- withdrawn by the person, or replaced by a newer one
) STRICT;
CREATE UNIQUE INDEX consent_in_force ON consent (person_id, service_id) WHERE ended_at IS NULL;
-- From when on a login counts as one for the request; that is when it was set aside, where nothing is said.
ALTER TABLE parked_request ADD COLUMN login_since INTEGER;
