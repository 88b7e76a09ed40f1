-- A person who proves themself again keeps the session and gets a new cookie.
ALTER TABLE session ADD COLUMN cookie_hash BLOB; -- identifier in the cookie since then; NULL: id_hash is
CREATE UNIQUE INDEX session_by_cookie ON session (cookie_hash);
