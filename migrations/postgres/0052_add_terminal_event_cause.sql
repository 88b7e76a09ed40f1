-- Why a terminal was revoked, as it was chosen from a list: the note beside it may be empty, and the
-- CRL's reason says less. Absent in events of earlier versions and of other kinds.
ALTER TABLE terminal_event ADD COLUMN cause TEXT;
