-- Emergency accesses (break-glass): who lifted membership, prefecture and hours for an hour, why, and who judged it.
CREATE TABLE emergency_access (
    id TEXT PRIMARY KEY, -- UUIDv7; break_glass_id in tokens
    session_hash BLOB NOT NULL REFERENCES session (id_hash), -- in force for this login only
    person_id TEXT NOT NULL REFERENCES person (id),
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    acr TEXT NOT NULL, -- how the person had proved themself
    reason TEXT NOT NULL, -- a code of the list
    words TEXT NOT NULL, -- the person's own
    day TEXT NOT NULL, -- calendar day in Japan, yyyy-mm-dd
    number INTEGER NOT NULL, -- the person's first, second ... of that day
    started_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL, -- an hour later, or when the login ends at the latest
    ended_at INTEGER, -- when it was over, once somebody or the clock has said so
    end_reason TEXT, -- person, administrator, session_ended, lapsed
    ended_by TEXT, -- person, of the first two
    due_at INTEGER NOT NULL, -- until when a second person is to review it
    escalated_at INTEGER, -- nobody had; shown to the operating body since
    reviewed_at INTEGER,
    reviewer_id TEXT REFERENCES person (id),
    verdict TEXT, -- justified, not_justified
    review_words TEXT, -- the reviewer's own
    CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CHECK ((reviewed_at IS NULL) = (reviewer_id IS NULL)),
    CHECK ((reviewed_at IS NULL) = (verdict IS NULL)),
    CHECK (reviewer_id <> person_id)
) STRICT;
-- One at a time in a login.
CREATE UNIQUE INDEX emergency_access_running ON emergency_access (session_hash) WHERE ended_at IS NULL;
-- So many a day and no more, however many ask at once.
CREATE UNIQUE INDEX emergency_access_of_day ON emergency_access (person_id, day, number);
CREATE INDEX emergency_access_of_organisation ON emergency_access (organisation_id, started_at);
CREATE INDEX emergency_access_unreviewed ON emergency_access (due_at) WHERE reviewed_at IS NULL;
CREATE INDEX emergency_access_not_ended ON emergency_access (ends_at) WHERE ended_at IS NULL;
