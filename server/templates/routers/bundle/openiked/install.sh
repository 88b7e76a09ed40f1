#!/bin/sh
# {{ v.name }} ({{ v.id }}): puts key, certificate, authorities, lists and configuration to where OpenIKED looks;
# what stood there is kept beside it for remove.sh. As root, after enrol.sh, and again after renew.sh.
set -eu
umask 077
cd "$(dirname "$0")"
{% include "routers/bundle/lists.sh" %}
for path in /etc/iked.conf /etc/iked/private/local.key /etc/iked/local.pub; do
  if [ -e "$path" ] && [ ! -e "$path.before-sekisho" ]; then cp -p "$path" "$path.before-sekisho"; fi
done
cat root.pem{% for issuer in v.issuers %} {{ issuer.file }}{% endfor %} >/etc/iked/ca/sekisho.crt
install -m 644 router.pem /etc/iked/certs/sekisho-router.crt
install -m 600 router.key /etc/iked/private/local.key
openssl pkey -in router.key -pubout -out /etc/iked/local.pub
openssl crl -inform DER -in root.crl -out /etc/iked/crls/sekisho-root.crl
{% for issuer in v.issuers %}openssl crl -inform DER -in {{ issuer.list }} -out /etc/iked/crls/sekisho-{{ issuer.list }}
{% endfor %}chmod 644 /etc/iked/ca/sekisho.crt /etc/iked/local.pub /etc/iked/crls/sekisho-*.crl
install -m 600 iked.conf /etc/iked.conf
