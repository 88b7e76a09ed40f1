-- Models of routers with their firmware, what came of tests between them, what the operating body certified, and
-- which model a facility says that a router is. Results and decisions are only ever added.
CREATE TABLE router_model (
    id TEXT PRIMARY KEY, -- UUIDv7
    maker TEXT NOT NULL,
    model TEXT NOT NULL,
    firmware TEXT NOT NULL, -- a version, or the first of a range
    firmware_to TEXT NOT NULL, -- the last of the range, itself in it; empty: the one version
    family TEXT NOT NULL, -- certificate profile: router, router_strongswan, ...
    doors TEXT NOT NULL, -- by which it gets what it needs: est, scep, cmp, psk, with spaces between
    note TEXT NOT NULL,
    entered_at BIGINT NOT NULL,
    entered_by TEXT NOT NULL, -- a person, or `host`
    UNIQUE (maker, model, firmware, firmware_to)
);
CREATE TABLE router_test (
    id TEXT PRIMARY KEY, -- UUIDv7
    opens_id TEXT NOT NULL REFERENCES router_model (id),
    awaits_id TEXT NOT NULL REFERENCES router_model (id),
    proof TEXT NOT NULL, -- p256, rsa3072, psk, hpki-like, hpki-like-named
    judged TEXT NOT NULL, -- ike_auth, packet
    tested_at BIGINT NOT NULL, -- the newest of one pair, proof and judgement counts
    succeeded BIGINT NOT NULL CHECK (succeeded IN (0, 1)),
    reason TEXT NOT NULL, -- why not
    source TEXT NOT NULL, -- matrix, bench
    tested_by TEXT NOT NULL, -- by whom, with what
    note TEXT NOT NULL,
    entered_at BIGINT NOT NULL,
    entered_by TEXT NOT NULL,
    UNIQUE (opens_id, awaits_id, proof, judged, tested_at),
    CHECK ((succeeded = 1) = (reason = ''))
);
CREATE INDEX router_test_by_awaiting ON router_test (awaits_id);
CREATE TABLE router_certification (
    model_id TEXT NOT NULL REFERENCES router_model (id),
    proof TEXT NOT NULL,
    ordinal BIGINT NOT NULL, -- 1, 2, 3 ...: the highest counts
    decision TEXT NOT NULL CHECK (decision IN ('certified', 'withdrawn')),
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    reason TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    decided_by TEXT NOT NULL,
    PRIMARY KEY (model_id, proof, ordinal),
    CHECK (valid_from < valid_until)
);
CREATE TABLE router_model_choice (
    terminal_id TEXT NOT NULL REFERENCES router (terminal_id),
    ordinal BIGINT NOT NULL, -- the highest counts
    model_id TEXT REFERENCES router_model (id), -- NULL: none of the register
    chosen_at BIGINT NOT NULL,
    chosen_by TEXT NOT NULL,
    PRIMARY KEY (terminal_id, ordinal)
);
