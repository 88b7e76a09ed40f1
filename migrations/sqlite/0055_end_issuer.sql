-- Since when an authority is no trust anchor of this instance any more: a root's overlap with the one
-- that follows it has an end, which a person decides.
ALTER TABLE issuer ADD COLUMN ended_at INTEGER;
