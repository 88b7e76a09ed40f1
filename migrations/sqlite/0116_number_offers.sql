-- Grows with each change of a service or of its rules, in the transaction that makes it: whoever kept what is on offer sees
-- by one number whether it still holds. One row.
CREATE TABLE offer_revision (revision INTEGER NOT NULL) STRICT;
INSERT INTO offer_revision (revision) VALUES (1);
CREATE TRIGGER service_added AFTER INSERT ON service
BEGIN UPDATE offer_revision SET revision = revision + 1; END;
CREATE TRIGGER service_changed AFTER UPDATE ON service
BEGIN UPDATE offer_revision SET revision = revision + 1; END;
CREATE TRIGGER service_deleted AFTER DELETE ON service
BEGIN UPDATE offer_revision SET revision = revision + 1; END;
CREATE TRIGGER service_rules_added AFTER INSERT ON service_rules
BEGIN UPDATE offer_revision SET revision = revision + 1; END;
CREATE TRIGGER service_rules_changed AFTER UPDATE ON service_rules
BEGIN UPDATE offer_revision SET revision = revision + 1; END;
CREATE TRIGGER service_rules_deleted AFTER DELETE ON service_rules
BEGIN UPDATE offer_revision SET revision = revision + 1; END;
