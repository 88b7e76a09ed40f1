#!/bin/sh
# {{ v.name }} ({{ v.id }}): puts keys, certificates and lists into libreswan's NSS database, pre-shared keys and
# the configuration into /etc/ipsec.d. As root, after enrol.sh or psk.sh, and again after renew.sh or another
# pre-shared key.
set -eu
umask 077
cd "$(dirname "$0")"
{% include "routers/bundle/psk-install.sh" -%}
{% if v.certificate %}{% include "routers/bundle/lists.sh" %}
{% endif %}nss=sql:/var/lib/ipsec/nss
mkdir -p /var/lib/ipsec/nss
[ -e /var/lib/ipsec/nss/cert9.db ] || certutil -N -d "$nss" --empty-password
{% if v.certificate %}certutil -F -d "$nss" -n sekisho-router 2>/dev/null || true
openssl pkcs12 -export -in router.pem -inkey router.key -name sekisho-router -passout pass: -out router.p12
pk12util -i router.p12 -d "$nss" -W ''
rm -f router.p12
certutil -A -d "$nss" -n sekisho-root -t CT,, -a -i root.pem
{% for issuer in v.issuers %}certutil -A -d "$nss" -n sekisho-{{ issuer.file }} -t CT,, -a -i {{ issuer.file }}
{% endfor %}
{%- include "routers/bundle/libreswan/lists.sh" %}{% endif %}rm -f /etc/ipsec.d/sekisho-*.secrets
{% if v.psks %}{% include "routers/bundle/libreswan/psk.sh" %}
{% for peer in v.with_psk() %}share {{ peer.id }} {{ peer.dns_name }}
{% endfor %}{% endif %}install -m 600 ipsec.conf /etc/ipsec.d/sekisho.conf
