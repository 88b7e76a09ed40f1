-- Whoever issued a one-time link could have used it, and whoever may hold their factors, too: these are the hands of
-- a person, as a JSON list of persons. Two people who share a hand are not two pairs of eyes. Kept as they were when
-- it was done: what comes later takes no hand back.
ALTER TABLE one_time_link ADD COLUMN hands TEXT; -- of who issued it; absent for one issued at the host
ALTER TABLE account ADD COLUMN hands TEXT; -- of who issued the link that set the factors in force
ALTER TABLE factor_reset ADD COLUMN asked_by_hands TEXT; -- of who asked
