-- What a version of a service's rules was proposed as; absent for one that came with the registration or the approval of its service.
ALTER TABLE service_rules ADD COLUMN proposal_id TEXT REFERENCES rules_proposal (id);
CREATE UNIQUE INDEX service_rules_of_proposal ON service_rules (proposal_id);
