-- Files with a key that was made here and its certificate, until they were fetched (decision 0046).
CREATE TABLE key_delivery (
    id TEXT PRIMARY KEY, -- drawn with the form, so that what is sent twice is made once; 32 hexadecimal digits
    terminal_id TEXT NOT NULL REFERENCES terminal (id),
    spki_sha256 BLOB NOT NULL UNIQUE, -- the key that was made
    made_by TEXT NOT NULL REFERENCES person (id), -- who alone may fetch it
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, -- the row goes soon after, with the certificate where nobody fetched the file
    file BLOB, -- PKCS #12, DER, under a passphrase that is kept nowhere
    fetched_at INTEGER -- for the first time
) STRICT;
CREATE INDEX key_delivery_by_terminal ON key_delivery (terminal_id);
CREATE INDEX key_delivery_by_end ON key_delivery (expires_at);
