-- Rules of a live service that somebody is writing: seen by nobody else, looked at by no decision.
CREATE TABLE rules_draft (
    service_id TEXT NOT NULL REFERENCES service (id),
    person_id TEXT NOT NULL REFERENCES person (id),
    base_version BIGINT NOT NULL, -- in force when it was begun; 0: none was
    rules TEXT NOT NULL, -- JSON, see the authz crate
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (service_id, person_id)
);
-- Rules that somebody proposed for a live service, and what became of them. Kept for ever.
CREATE TABLE rules_proposal (
    id TEXT PRIMARY KEY, -- UUIDv7
    service_id TEXT NOT NULL REFERENCES service (id),
    base_version BIGINT NOT NULL, -- in force when they were written; published only while it is; 0: none was
    rules TEXT NOT NULL, -- JSON, see the authz crate
    reason TEXT NOT NULL, -- the proposer's words
    returns_to BIGINT, -- the earlier version that has the same text
    proposed_by TEXT NOT NULL REFERENCES person (id),
    proposed_by_hands TEXT NOT NULL, -- JSON list of persons, see account.hands
    proposed_at BIGINT NOT NULL,
    outcome TEXT CHECK (outcome IN ('published', 'refused', 'withdrawn')),
    decided_by TEXT REFERENCES person (id),
    decided_at BIGINT,
    refused_because TEXT,
    CHECK ((outcome IS NULL) = (decided_at IS NULL)),
    CHECK (outcome IS NULL OR decided_by IS NOT NULL),
    -- Four eyes.
    CHECK (outcome IS NULL OR outcome = 'withdrawn' OR decided_by <> proposed_by)
);
-- A person has one proposal at a time for a service; several people may have theirs.
CREATE UNIQUE INDEX rules_proposal_open ON rules_proposal (service_id, proposed_by) WHERE outcome IS NULL;
CREATE INDEX rules_proposal_of_service ON rules_proposal (service_id, proposed_at);
