#!/bin/sh
# {{ v.name }} ({{ v.id }}): puts keys, certificates, authorities, lists and configuration to where OpenIKED looks;
# what stood there is kept beside it for remove.sh. As root, after enrol.sh or psk.sh, and again after renew.sh or
# another pre-shared key.
set -eu
umask 077
cd "$(dirname "$0")"
{% include "routers/bundle/psk-install.sh" -%}
{% if v.certificate %}{% include "routers/bundle/lists.sh" %}
{% endif %}for path in /etc/iked.conf /etc/iked/private/local.key /etc/iked/local.pub; do
  if [ -e "$path" ] && [ ! -e "$path.before-sekisho" ]; then cp -p "$path" "$path.before-sekisho"; fi
done
{% if v.certificate %}cat root.pem{% for issuer in v.issuers %} {{ issuer.file }}{% endfor %} >/etc/iked/ca/sekisho.crt
install -m 644 router.pem /etc/iked/certs/sekisho-router.crt
install -m 600 router.key /etc/iked/private/local.key
openssl pkey -in router.key -pubout -out /etc/iked/local.pub
openssl crl -inform DER -in root.crl -out /etc/iked/crls/sekisho-root.crl
{% for issuer in v.issuers %}openssl crl -inform DER -in {{ issuer.list }} -out /etc/iked/crls/sekisho-{{ issuer.list }}
{% endfor %}chmod 644 /etc/iked/ca/sekisho.crt /etc/iked/local.pub /etc/iked/crls/sekisho-*.crl
{% else %}# OpenIKED does not start without a key of its own, also where nobody asks for it.
if [ ! -e /etc/iked/private/local.key ]; then
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out /etc/iked/private/local.key
  openssl pkey -in /etc/iked/private/local.key -pubout -out /etc/iked/local.pub
  chmod 644 /etc/iked/local.pub
fi
{% endif %}rm -f /etc/iked/private/sekisho-*.psk
{% if v.psks %}{% include "routers/bundle/openiked/psk.sh" %}
{% for peer in v.with_psk() %}share {{ peer.id }}
{% endfor %}{% endif %}install -m 600 iked.conf /etc/iked.conf
