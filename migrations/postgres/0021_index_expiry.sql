-- What is over is found by when it ended, and removed in batches.
CREATE INDEX parked_request_by_expiry ON parked_request (expires_at);
CREATE INDEX client_assertion_by_expiry ON client_assertion (expires_at);
CREATE INDEX access_token_by_expiry ON access_token (expires_at);
CREATE INDEX authorization_code_by_expiry ON authorization_code (expires_at);
CREATE INDEX one_time_link_by_expiry ON one_time_link (expires_at);
CREATE INDEX enrolment_code_by_expiry ON enrolment_code (expires_at) WHERE used_at IS NULL;
CREATE INDEX activation_code_by_expiry ON activation_code (expires_at) WHERE used_at IS NULL;
CREATE INDEX invitation_by_expiry ON invitation (expires_at) WHERE redeemed_at IS NULL;
CREATE INDEX sign_in_failure_by_age ON sign_in_failure (last_at);
CREATE INDEX outbox_by_end ON outbox (done_at) WHERE done_at IS NOT NULL;
-- The sessions of an organisation that is suspended or closed end together.
CREATE INDEX session_by_organisation ON session (organisation_id) WHERE ended_at IS NULL;
