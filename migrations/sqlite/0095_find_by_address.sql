-- Whose an address is, for incidents: acts that came from it, and routers by it or by the network behind them. Of
-- records that were written before, the address stands in their canonical octets alone.
ALTER TABLE audit_record ADD COLUMN address TEXT; -- repeats what the canonical octets say
CREATE INDEX audit_record_by_address ON audit_record (address, at) WHERE address IS NOT NULL;
CREATE INDEX router_by_network ON router (network);
