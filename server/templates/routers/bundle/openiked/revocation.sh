#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches what was revoked. As root, every minute (cron).
set -eu
cd "$(dirname "$0")"
{% include "routers/bundle/lists.sh" %}
if [ ! -e unread ]; then exit; fi
openssl crl -inform DER -in root.crl -out /etc/iked/crls/sekisho-root.crl
{% for issuer in v.issuers %}openssl crl -inform DER -in {{ issuer.list }} -out /etc/iked/crls/sekisho-{{ issuer.list }}
{% endfor %}ikectl reload
rm -f unread
