-- Services that a person wants to see first.
CREATE TABLE favourite_service (
    person_id TEXT NOT NULL REFERENCES person (id),
    service_id TEXT NOT NULL REFERENCES service (id),
    chosen_at BIGINT NOT NULL,
    PRIMARY KEY (person_id, service_id)
);
-- Words of a service about its maintenance, on its tile while they hold.
CREATE TABLE maintenance (
    id TEXT PRIMARY KEY, -- UUIDv7
    service_id TEXT NOT NULL REFERENCES service (id),
    text_ja TEXT NOT NULL,
    text_en TEXT NOT NULL,
    begins_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    entered_at BIGINT NOT NULL,
    withdrawn_at BIGINT
);
CREATE INDEX maintenance_by_end ON maintenance (ends_at) WHERE withdrawn_at IS NULL;
CREATE INDEX maintenance_by_service ON maintenance (service_id, ends_at);
-- How long a person's login took, in milliseconds: as the page measured it, and from there on as we did.
CREATE TABLE login_time (
    session_hash BYTEA PRIMARY KEY REFERENCES session (id_hash),
    person_id TEXT NOT NULL REFERENCES person (id),
    code TEXT NOT NULL UNIQUE, -- what a person reads to the help desk
    terminal_id TEXT NOT NULL,
    organisation_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    agent_ms BIGINT NOT NULL,
    card_ms BIGINT NOT NULL,
    pin_ms BIGINT NOT NULL,
    sign_ms BIGINT NOT NULL,
    opened_unix_ms BIGINT NOT NULL,
    portal_ms BIGINT,
    service_id TEXT REFERENCES service (id), -- the first one that was asked for
    asked_unix_ms BIGINT,
    service_ms BIGINT
);
CREATE INDEX login_time_by_person ON login_time (person_id, at);
CREATE INDEX login_time_by_time ON login_time (at);
