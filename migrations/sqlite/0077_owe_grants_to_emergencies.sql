-- The emergency access by which alone the rules admit, as of the last token: with its end the grant is withdrawn and its service told.
ALTER TABLE token_grant ADD COLUMN emergency_id TEXT REFERENCES emergency_access (id);
CREATE INDEX token_grant_by_emergency ON token_grant (emergency_id) WHERE emergency_id IS NOT NULL;
