-- An auditor asks newest first, for all, for an actor, an organisation or an act: each is a range of one
-- of these, also among millions. The first answers for all.
CREATE INDEX audit_record_by_time ON audit_record (at, id);
CREATE INDEX audit_record_by_actor ON audit_record (actor_id, at, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_record_by_act ON audit_record (act, at, id);
-- (organisation_id, at) stands since 0001.
