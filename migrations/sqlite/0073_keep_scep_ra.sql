-- The keys and certificates of the SCEP door's registration authority. The newest is told to who asks; the others still
-- open what is sent to them and answer it, for routers keep what they once fetched.
CREATE TABLE scep_ra (
    certificate_sha256 BLOB PRIMARY KEY CHECK (length(certificate_sha256) = 32),
    issuer_id TEXT NOT NULL, -- the routers' authority that issued it
    certificate_der BLOB NOT NULL,
    sealed_key BLOB NOT NULL, -- PKCS #8 under the instance's sealing key
    made_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL
) STRICT;
