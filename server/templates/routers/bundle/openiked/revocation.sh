#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches what was revoked. As root, every minute (cron).
set -eu
umask 077
cd "$(dirname "$0")"
{% if v.psks %}{% include "routers/bundle/psk-revocation.sh" %}
{% include "routers/bundle/openiked/psk.sh" %}
{% for peer in v.with_psk() %}if ended {{ peer.id }}; then
  share {{ peer.id }}
  ikectl reload
  ikectl reset id "FQDN/{{ peer.dns_name }}"
  settled {{ peer.id }}
fi
{% endfor %}{% endif %}{% if v.certificate %}{% include "routers/bundle/lists.sh" %}
if [ ! -e unread ]; then exit; fi
openssl crl -inform DER -in root.crl -out /etc/iked/crls/sekisho-root.crl
{% for issuer in v.issuers %}openssl crl -inform DER -in {{ issuer.list }} -out /etc/iked/crls/sekisho-{{ issuer.list }}
{% endfor %}ikectl reload
rm -f unread
{% endif -%}
