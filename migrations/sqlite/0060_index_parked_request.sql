-- How many requests a terminal has set aside lately is counted each time one more is.
CREATE INDEX parked_request_by_terminal ON parked_request (terminal_fingerprint, created_at);
