-- The last event of each of a million memberships is read to count whom a change of rules concerns: from the index alone.
DROP INDEX membership_event_by_membership;
CREATE INDEX membership_event_by_membership ON membership_event (membership_id, at, id, kind);
DROP INDEX organisation_event_by_organisation;
CREATE INDEX organisation_event_by_organisation ON organisation_event (organisation_id, at, id, kind);
