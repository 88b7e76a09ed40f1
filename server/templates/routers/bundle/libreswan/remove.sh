#!/bin/sh
# {{ v.name }} ({{ v.id }}): takes away what install.sh put there. As root; then: systemctl restart ipsec
set -eu
nss=sql:/var/lib/ipsec/nss
rm -f /etc/ipsec.d/sekisho.conf
certutil -F -d "$nss" -n sekisho-router
{% for issuer in v.issuers %}crlutil -D -d "$nss" -n sekisho-{{ issuer.file }}
certutil -D -d "$nss" -n sekisho-{{ issuer.file }}
{% endfor %}crlutil -D -d "$nss" -n sekisho-root
certutil -D -d "$nss" -n sekisho-root
