#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches what was revoked. As root, every minute (cron).
set -eu
umask 077
cd "$(dirname "$0")"
{% if v.psks %}{% include "routers/bundle/psk-revocation.sh" %}
{% include "routers/bundle/strongswan/psk.sh" %}
{% for peer in v.with_psk() %}if ended {{ peer.id }}; then
  share {{ peer.id }} {{ peer.dns_name }}
  swanctl --load-creds --noprompt
  swanctl --terminate --ike {{ peer.id }} --force || true # where no tunnel stands
  settled {{ peer.id }}
{%- if peer.opens %}
# Who was told to end a tunnel does not open it by itself again when there is another key.
elif grep -q '^id ' psk-{{ peer.id }} && [ -z "$(swanctl --list-sas --ike {{ peer.id }})" ]; then
{%- for (name, _, _) in v.networks(peer) %}
  swanctl --initiate --child {{ name }} --timeout 10 >/dev/null || true # it tries on by itself
{%- endfor %}
{%- endif %}
fi
{% endfor %}{% endif %}{% if v.certificate %}{% include "routers/bundle/lists.sh" %}
if [ ! -e unread ]; then exit; fi
install -m 644 root.crl /etc/swanctl/x509crl/sekisho-root.crl
{% for issuer in v.issuers %}install -m 644 {{ issuer.list }} /etc/swanctl/x509crl/sekisho-{{ issuer.list }}
{% endfor %}swanctl --load-creds --noprompt
# The list that judged another router stays in force until it expires, unless it is forgotten.
swanctl --flush-certs --type x509_crl
rm -f unread
{% endif -%}
