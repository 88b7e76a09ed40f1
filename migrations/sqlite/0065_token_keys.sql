-- The keys that sign tokens for services. One of each algorithm has no successor yet; it signs from
-- `signs_from` on, and until then the one before it does.
CREATE TABLE token_key (
    kid TEXT PRIMARY KEY, -- JWK thumbprint (RFC 7638)
    algorithm TEXT NOT NULL CHECK (algorithm IN ('ES256', 'PS256', 'RS256')),
    public_key_der BLOB NOT NULL, -- SubjectPublicKeyInfo
    sealed_key BLOB, -- PKCS #8 under the instance's sealing key; NULL once it signs no more
    made_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL,
    signs_until INTEGER, -- when its successor signs
    leaves_at INTEGER, -- when it is published no more
    CHECK ((signs_until IS NULL) = (leaves_at IS NULL)),
    CHECK (signs_until IS NOT NULL OR sealed_key IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX token_key_without_successor ON token_key (algorithm) WHERE signs_until IS NULL;
