-- The operating body's own roles are found among those of 600,000 facilities' administrators; so are
-- those of one organisation.
CREATE INDEX role_grant_by_role ON role_grant (role) WHERE withdrawn_at IS NULL;
CREATE INDEX role_grant_by_organisation ON role_grant (organisation_id) WHERE withdrawn_at IS NULL;
