-- Another PC takes the place of a terminal's: it is enrolled beside the old one, whose certificates end
-- with the first login of a person at the new one. Only ever added to; the open one has no end.
CREATE TABLE terminal_replacement (
    id TEXT PRIMARY KEY, -- UUIDv7
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    code_hash BYTEA NOT NULL UNIQUE, -- the code of the new PC; codes that nobody used are removed
    begun_at BIGINT NOT NULL,
    begun_by TEXT NOT NULL, -- person
    issuer_id TEXT, -- certificate of the new PC, once it is enrolled
    serial BYTEA,
    enrolled_at BIGINT,
    ended_at BIGINT,
    outcome TEXT -- completed, cancelled
);
CREATE UNIQUE INDEX terminal_replacement_open ON terminal_replacement (terminal_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX terminal_replacement_by_certificate ON terminal_replacement (issuer_id, serial);
CREATE INDEX terminal_replacement_by_terminal ON terminal_replacement (terminal_id, ended_at);
