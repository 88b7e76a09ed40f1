-- Sessions of licensed people who are no members at the terminal's facility, for an emergency alone (decision 0049).
ALTER TABLE session ADD COLUMN visiting BIGINT NOT NULL DEFAULT 0 CHECK (visiting = 0 OR membership_id IS NULL); -- 1: nothing but an emergency access is open, and the session ends with it
ALTER TABLE emergency_access ADD COLUMN visiting BIGINT NOT NULL DEFAULT 0; -- 1: of such a session
