-- Groups of facilities whose routers reach each other (decision 0053): who may be whose peer follows from these.
CREATE TABLE vpn_group (
    id TEXT PRIMARY KEY, -- UUIDv7
    owner_id TEXT NOT NULL REFERENCES organisation (id), -- whose administrators say who belongs to it
    name_ja TEXT NOT NULL,
    name_en TEXT NOT NULL, -- empty: none
    purpose TEXT NOT NULL
        CHECK (purpose IN ('regional_cooperation', 'same_corporation', 'conference', 'remote_maintenance')),
    topology TEXT NOT NULL CHECK (topology IN ('mesh', 'hub')),
    transit BIGINT NOT NULL, -- 1: spokes reach each other through a hub
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL, -- a person, or `host`
    closed_at BIGINT,
    closed_by TEXT,
    CHECK (transit IN (0, 1) AND (transit = 0 OR topology = 'hub')),
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);
-- Whoever reads a name knows which group of that owner it is.
CREATE UNIQUE INDEX vpn_group_by_name ON vpn_group (owner_id, name_ja) WHERE closed_at IS NULL;
-- A facility in a group: asked for by one side, agreed by the other, ended by either. Kept for ever.
CREATE TABLE vpn_membership (
    id TEXT PRIMARY KEY, -- UUIDv7
    group_id TEXT NOT NULL REFERENCES vpn_group (id),
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    is_hub BIGINT NOT NULL CHECK (is_hub IN (0, 1)),
    side TEXT NOT NULL CHECK (side IN ('owner', 'facility', 'both')), -- who asked; both: they are one, or the host
    asked_by TEXT NOT NULL, -- a person, or `host`
    asked_by_hands TEXT NOT NULL, -- JSON list of persons, see account.hands
    asked_at BIGINT NOT NULL,
    agreed_by TEXT,
    agreed_at BIGINT,
    ends_at BIGINT, -- a member until then at most
    ended_at BIGINT,
    ended_by TEXT,
    end_reason TEXT
        CHECK (end_reason IN ('withdrawn', 'declined', 'left', 'removed', 'over', 'group_closed')),
    CHECK ((agreed_at IS NULL) = (agreed_by IS NULL)),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    -- Four eyes.
    CHECK (agreed_by IS NULL OR side = 'both' OR agreed_by <> asked_by)
);
CREATE UNIQUE INDEX vpn_membership_living ON vpn_membership (group_id, organisation_id) WHERE ended_at IS NULL;
CREATE INDEX vpn_membership_of_organisation ON vpn_membership (organisation_id, asked_at);
CREATE INDEX vpn_membership_by_end ON vpn_membership (ends_at) WHERE ended_at IS NULL AND ends_at IS NOT NULL;
-- Which routers of the member take part.
CREATE TABLE vpn_place (
    id TEXT PRIMARY KEY, -- UUIDv7
    membership_id TEXT NOT NULL REFERENCES vpn_membership (id),
    router_id TEXT NOT NULL REFERENCES router (terminal_id),
    entered_at BIGINT NOT NULL,
    entered_by TEXT NOT NULL, -- a person, or `host`
    left_at BIGINT,
    left_by TEXT,
    CHECK ((left_at IS NULL) = (left_by IS NULL))
);
CREATE UNIQUE INDEX vpn_place_living ON vpn_place (membership_id, router_id) WHERE left_at IS NULL;
CREATE INDEX vpn_place_of_router ON vpn_place (router_id);
