-- Requests that wait until a person has seen their key (decision 0042).
ALTER TABLE enrolment_code ADD COLUMN needs_approval BIGINT NOT NULL DEFAULT 0; -- 1: nothing is issued before a person approves the key
ALTER TABLE enrolment_code ADD COLUMN approved_spki_sha256 BYTEA; -- the key that a person approved
CREATE TABLE waiting_enrolment (
    code_hash BYTEA PRIMARY KEY REFERENCES enrolment_code (code_hash) ON DELETE CASCADE,
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    spki_sha256 BYTEA NOT NULL,
    key_kind TEXT NOT NULL, -- as people are shown it
    door TEXT NOT NULL, -- est, scep, cmp
    transaction_id TEXT, -- by which the door's protocol asks what became of it
    sealed_request BYTEA, -- what a poll does not send again, under the instance's sealing key
    address TEXT NOT NULL, -- where it came from
    asked_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT, -- person, or 'host'
    approved BIGINT, -- 1 or 0
    reason TEXT -- of a refusal
);
CREATE INDEX waiting_enrolment_by_terminal ON waiting_enrolment (terminal_id);
CREATE INDEX waiting_enrolment_by_transaction ON waiting_enrolment (transaction_id);
