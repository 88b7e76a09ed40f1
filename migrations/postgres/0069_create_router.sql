-- A terminal that is a router: what its certificate is written for and what its peers know it by.
-- Written with the terminal and never changed; another name or address is another router.
CREATE TABLE router (
    terminal_id TEXT PRIMARY KEY REFERENCES terminal (id),
    family TEXT NOT NULL, -- certificate profile: router, router_strongswan, ...
    dns_name TEXT NOT NULL UNIQUE, -- given by the register
    address TEXT, -- IPv4 or IPv6 address at which its peers reach it, if it is fixed
    address_certified BIGINT NOT NULL, -- 1: it stands in the certificate, too
    network TEXT NOT NULL -- what lies behind it, as address/length
);
CREATE INDEX router_by_address ON router (address);
