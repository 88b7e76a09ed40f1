-- The portal's keys for login requests lie where those for tokens do, and are followed by others in the same way.
ALTER TABLE token_key RENAME TO own_key;
ALTER TABLE own_key ADD COLUMN purpose TEXT NOT NULL DEFAULT 'token' CHECK (purpose IN ('token', 'login_request'));
DROP INDEX token_key_without_successor;
CREATE UNIQUE INDEX own_key_without_successor ON own_key (purpose, algorithm) WHERE signs_until IS NULL;
