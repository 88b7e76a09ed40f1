-- Whoever issued a one-time link could have used it. Two people of whom one let the other in are not two pairs of eyes.
ALTER TABLE one_time_link ADD COLUMN issued_by TEXT; -- person; absent for one issued at the host
-- Kept where the person used it: links are deleted when they are over.
ALTER TABLE account ADD COLUMN let_in_by TEXT; -- who issued the link that set the factors in force
