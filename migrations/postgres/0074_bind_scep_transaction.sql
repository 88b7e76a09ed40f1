-- To which transaction a certificate was issued by SCEP: only there, and only to the same signer, is it told again.
CREATE TABLE scep_transaction (
    certificate_sha256 BYTEA PRIMARY KEY CHECK (octet_length(certificate_sha256) = 32),
    transaction_id TEXT NOT NULL, -- in the client's words (RFC 8894 §3.2.1.1)
    signer_sha256 BYTEA NOT NULL CHECK (octet_length(signer_sha256) = 32), -- of the SubjectPublicKeyInfo that signed the request
    begun_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX scep_transaction_of_signer ON scep_transaction (transaction_id, signer_sha256);
CREATE INDEX scep_transaction_expiry ON scep_transaction (expires_at);
-- Messages that a certificate was answered to, until it ends: one that somebody recorded is known when it is sent once more.
CREATE TABLE scep_message (
    content_sha256 BYTEA PRIMARY KEY CHECK (octet_length(content_sha256) = 32), -- of the encrypted content, which the signature covers
    answered_at BIGINT NOT NULL, -- first
    expires_at BIGINT NOT NULL
);
CREATE INDEX scep_message_expiry ON scep_message (expires_at);
