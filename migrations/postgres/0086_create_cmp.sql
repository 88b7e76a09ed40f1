-- Certificates by CMP (RFC 9810, decision 0041).
-- Whose registration authority it is: of SCEP or of CMP.
ALTER TABLE scep_ra ADD COLUMN door TEXT NOT NULL DEFAULT 'scep';
-- Codes by which messages are protected: a MAC needs the code itself. Gone with its withdrawal, and soon after its use or end.
CREATE TABLE cmp_secret (
    code_hash BYTEA PRIMARY KEY CHECK (octet_length(code_hash) = 32), -- of enrolment_code
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    sealed_code BYTEA NOT NULL, -- under the instance's sealing key
    expires_at BIGINT NOT NULL -- of the code
);
CREATE INDEX cmp_secret_of_terminal ON cmp_secret (terminal_id);
CREATE INDEX cmp_secret_expiry ON cmp_secret (expires_at);
-- Transactions of devices that have proven themselves. Each identifier and each nonce counts once.
CREATE TABLE cmp_transaction (
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    transaction_id BYTEA NOT NULL,
    sender_nonce BYTEA NOT NULL, -- of the message that began it
    message_sha256 BYTEA NOT NULL CHECK (octet_length(message_sha256) = 32), -- of the whole message that began it
    began_by BYTEA NOT NULL CHECK (length(began_by) = 32), -- hash of the code, or fingerprint of the certificate, that proved it: nobody else confirms
    spki_sha256 BYTEA, -- the key that a certificate was asked for
    answer BYTEA, -- what was answered: the same message hears it again for a while
    answer_nonce BYTEA, -- what a confirmation brings back
    issuer_id TEXT, -- of the certificate that came of it
    serial BYTEA,
    begun_at BIGINT NOT NULL,
    confirm_by BIGINT, -- a certificate that is not confirmed by then is taken back; none is awaited where it is null
    ended_at BIGINT, -- confirmed, rejected or taken back
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (terminal_id, transaction_id),
    UNIQUE (terminal_id, sender_nonce)
);
CREATE INDEX cmp_transaction_unconfirmed ON cmp_transaction (confirm_by);
CREATE INDEX cmp_transaction_expiry ON cmp_transaction (expires_at);
