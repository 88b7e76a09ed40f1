#!/bin/sh
# {{ v.name }} ({{ v.id }}): takes away what install.sh put there, also by an earlier bundle. As root; then:
# systemctl restart ipsec
set -eu
nss=sql:/var/lib/ipsec/nss
rm -f /etc/ipsec.d/sekisho.conf /etc/ipsec.d/sekisho-*.secrets
drop() { # a program and what it is to take out of the database, whether or not it is there
  "$@" -d "$nss" 2>/dev/null || true
}
drop certutil -F -n sekisho-router
{% for issuer in v.issuers %}drop crlutil -D -n sekisho-{{ issuer.file }}
drop certutil -D -n sekisho-{{ issuer.file }}
{% endfor %}drop crlutil -D -n sekisho-root
drop certutil -D -n sekisho-root
