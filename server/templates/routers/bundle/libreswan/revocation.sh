#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches what was revoked. As root, every ten minutes (cron).
set -eu
cd "$(dirname "$0")"
{% include "routers/bundle/lists.sh" %}
nss=sql:/var/lib/ipsec/nss
crlutil -I -d "$nss" -i root.crl
{% for issuer in v.issuers %}crlutil -I -d "$nss" -i {{ issuer.list }}
{% endfor -%}
