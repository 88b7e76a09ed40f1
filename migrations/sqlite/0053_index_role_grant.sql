-- The operating body's own roles are found among those of 600,000 facilities' administrators.
CREATE INDEX role_grant_by_role ON role_grant (role) WHERE withdrawn_at IS NULL;
