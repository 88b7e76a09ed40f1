-- Lists are made of chunks of encoded entries, one for each second octet of the serial number, so
-- that a revocation costs one chunk and not the whole list.
-- An edition is one making of an issuer's lists; its number is the CRL number of all of them.
CREATE TABLE crl_edition (
    issuer_id TEXT NOT NULL REFERENCES issuer (id),
    number BIGINT NOT NULL, -- never goes back
    at BIGINT NOT NULL,
    PRIMARY KEY (issuer_id, number)
);
CREATE TABLE crl_chunk (
    issuer_id TEXT NOT NULL,
    chunk TEXT NOT NULL, -- second octet of the serial number, hexadecimal
    number BIGINT NOT NULL, -- in force from this edition to the chunk's next
    length BIGINT NOT NULL, -- of entries, octets
    entries BYTEA NOT NULL, -- revokedCertificates of RFC 5280 §5.1, DER, one after the other
    first_expiry BIGINT, -- notAfter of the certificate that expires first
    PRIMARY KEY (issuer_id, chunk, number),
    FOREIGN KEY (issuer_id, number) REFERENCES crl_edition (issuer_id, number)
);
-- A published list: `head`, the chunks of its range as of its edition, `tail`.
CREATE TABLE crl_list (
    issuer_id TEXT NOT NULL,
    scope TEXT NOT NULL, -- complete, delta, or a partition such as 57of128
    number BIGINT NOT NULL,
    base_number BIGINT, -- of a delta
    this_update BIGINT NOT NULL,
    next_update BIGINT NOT NULL,
    head BYTEA NOT NULL,
    first_chunk TEXT, -- absent: the whole list is in `head`
    last_chunk TEXT,
    tail BYTEA NOT NULL,
    length BIGINT NOT NULL,
    PRIMARY KEY (issuer_id, scope, number),
    FOREIGN KEY (issuer_id, number) REFERENCES crl_edition (issuer_id, number)
);
INSERT INTO crl_edition (issuer_id, number, at) SELECT issuer_id, number, this_update FROM crl;
INSERT INTO crl_list (issuer_id, scope, number, this_update, next_update, head, tail, length)
    SELECT issuer_id, 'complete', number, this_update, next_update, der, '', length(der) FROM crl;
DROP TABLE crl;
