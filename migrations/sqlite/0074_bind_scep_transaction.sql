-- To which transaction a certificate was issued by SCEP: only there, and only to the same signer, is it told again.
-- Kept until the certificate ends, so that a renewal that somebody recorded is known when it is sent once more.
CREATE TABLE scep_transaction (
    certificate_sha256 BLOB PRIMARY KEY CHECK (length(certificate_sha256) = 32),
    transaction_id TEXT NOT NULL, -- in the client's words (RFC 8894 §3.2.1.1)
    signer_sha256 BLOB NOT NULL CHECK (length(signer_sha256) = 32), -- of the SubjectPublicKeyInfo that signed the request
    begun_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX scep_transaction_of_signer ON scep_transaction (transaction_id, signer_sha256);
CREATE INDEX scep_transaction_expiry ON scep_transaction (expires_at);
