-- A tunnel that comes and goes writes a record a minute at most: what changed in between is counted, and told with the next.
ALTER TABLE router_tunnel ADD COLUMN recorded_at INTEGER NOT NULL DEFAULT 0; -- when a record last told of it
ALTER TABLE router_tunnel ADD COLUMN unrecorded INTEGER NOT NULL DEFAULT 0; -- changes since
-- Until now each change was a record.
UPDATE router_tunnel SET recorded_at = since;
