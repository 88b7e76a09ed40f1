#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches what was revoked. As root, every minute (cron).
set -eu
cd "$(dirname "$0")"
{% include "routers/bundle/lists.sh" %}
if [ ! -e unread ]; then exit; fi
nss=sql:/var/lib/ipsec/nss
{% include "routers/bundle/libreswan/lists.sh" -%}
ipsec whack --fetchcrls
rm -f unread
