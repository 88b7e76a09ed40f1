-- PostgreSQL: the role of `sekisho signer`. It reads what it judges by, and writes refusals into the
-- audit trail; it can neither record an intention nor change anything that is on record.
CREATE ROLE sekisho_signer LOGIN;
GRANT SELECT ON issuance_intention, certificate, revoked_issuer, crl_edition, crl_list TO sekisho_signer;
GRANT INSERT ON audit_record TO sekisho_signer;
