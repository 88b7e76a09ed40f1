-- A text may have another direction than the groups say: it is out of date by its other contents alone.
-- JSON lists of peers: those to which somebody had the router open the tunnel, and those that it was to await.
ALTER TABLE router_text ADD COLUMN chosen_open TEXT NOT NULL DEFAULT '[]';
ALTER TABLE router_text ADD COLUMN chosen_await TEXT NOT NULL DEFAULT '[]';
