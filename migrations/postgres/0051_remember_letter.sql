-- Who made a letter must never administer the organisation, so letters are remembered for good.
ALTER TABLE activation_code ADD COLUMN issued_by TEXT; -- the officer; absent for letters before this column
ALTER TABLE activation_code ADD COLUMN reason TEXT NOT NULL DEFAULT ''; -- of a letter beside an administrator
ALTER TABLE activation_code ADD COLUMN used_by TEXT; -- whom it made administrator
CREATE INDEX activation_code_by_organisation ON activation_code (organisation_id, created_at);
CREATE INDEX role_grant_by_organisation ON role_grant (organisation_id) WHERE withdrawn_at IS NULL;
-- Which other applications carry a code.
CREATE INDEX application_code_by_value ON application_code (scheme, value);
