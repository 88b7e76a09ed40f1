#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches what was revoked. As root, every minute (cron).
set -eu
umask 077
cd "$(dirname "$0")"
{% if v.psks %}{% include "routers/bundle/psk-revocation.sh" %}
{% include "routers/bundle/libreswan/psk.sh" %}
{% for peer in v.with_psk() %}if ended {{ peer.id }}; then
  share {{ peer.id }} {{ peer.dns_name }}
  ipsec whack --rereadsecrets
{%- for (name, _, _) in v.networks(peer) %}
  ipsec auto --down {{ name }} || true # where no tunnel stands
{%- endfor %}
  settled {{ peer.id }}
fi
{% endfor %}{% endif %}{% if v.certificate %}{% include "routers/bundle/lists.sh" %}
if [ ! -e unread ]; then exit; fi
nss=sql:/var/lib/ipsec/nss
{% include "routers/bundle/libreswan/lists.sh" -%}
ipsec whack --fetchcrls
rm -f unread
{% endif -%}
