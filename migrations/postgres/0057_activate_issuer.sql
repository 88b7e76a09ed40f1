-- From when an authority issues, if that is not when it was entered: a roll-over is announced to
-- every process before the first of them issues by the new authority.
ALTER TABLE issuer ADD COLUMN active_from BIGINT;
