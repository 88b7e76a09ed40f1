-- Grows with each change of a service or of its rules, in the transaction that makes it: whoever kept what is on offer sees
-- by one number whether it still holds. One row.
CREATE TABLE offer_revision (revision BIGINT NOT NULL);
INSERT INTO offer_revision (revision) VALUES (1);
CREATE FUNCTION number_offers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE offer_revision SET revision = revision + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER service_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON service
FOR EACH STATEMENT EXECUTE FUNCTION number_offers();
CREATE TRIGGER service_rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON service_rules
FOR EACH STATEMENT EXECUTE FUNCTION number_offers();
