#!/bin/sh
# {{ v.name }} ({{ v.id }}): takes away what install.sh put there. As root; then: systemctl restart ipsec
set -eu
rm -f /etc/ipsec.d/sekisho.conf /etc/ipsec.d/sekisho-*.secrets
{% if v.has_certificate() %}nss=sql:/var/lib/ipsec/nss
certutil -F -d "$nss" -n sekisho-router
{% for issuer in v.issuers %}crlutil -D -d "$nss" -n sekisho-{{ issuer.file }}
certutil -D -d "$nss" -n sekisho-{{ issuer.file }}
{% endfor %}crlutil -D -d "$nss" -n sekisho-root
certutil -D -d "$nss" -n sekisho-root
{% endif -%}
