-- A form that was sent: whoever sends it again makes no second application.
CREATE TABLE application_form (
    form_hash BLOB PRIMARY KEY, -- SHA-256 of what the form was given when it was shown
    application_id TEXT NOT NULL UNIQUE REFERENCES application (id)
) STRICT;
