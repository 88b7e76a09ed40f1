-- People of the sandbox, their cards, and the PCs at which services are tried out.
-- A card's world follows from the trust anchors that its certificate led to when it was linked: real or sandbox.
ALTER TABLE card_identity ADD COLUMN world TEXT NOT NULL DEFAULT 'real';
-- What signed the cards of invented people, as it was made last. Its private keys were forgotten then.
CREATE TABLE sandbox_hierarchy (
    name TEXT PRIMARY KEY CHECK (name = 'sandbox'), -- there is one
    organisation_id TEXT NOT NULL REFERENCES organisation (id), -- the test facility
    root_der BYTEA NOT NULL,
    root_crl BYTEA NOT NULL,
    authority_der BYTEA NOT NULL, -- signed the cards
    authority_crl BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL -- of lists and cards
);
-- Cards of invented people. Whoever answers for a service gets them, so their keys are no secret.
CREATE TABLE sandbox_card (
    person_id TEXT PRIMARY KEY REFERENCES person (id),
    name TEXT NOT NULL UNIQUE, -- of the card's folder
    place BIGINT NOT NULL UNIQUE, -- in lists
    role TEXT NOT NULL, -- hcRole, verbatim
    archive BYTEA NOT NULL -- tar of a software card's folder
);
-- A PC at the test facility, of a person who answers for a service: one for each of them.
CREATE TABLE sandbox_pc (
    service_id TEXT NOT NULL REFERENCES service (id),
    person_id TEXT NOT NULL REFERENCES person (id),
    terminal_id TEXT NOT NULL UNIQUE REFERENCES terminal (id),
    PRIMARY KEY (service_id, person_id)
);
