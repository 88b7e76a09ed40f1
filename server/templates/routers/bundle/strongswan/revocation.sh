#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches what was revoked. As root, every minute (cron).
set -eu
cd "$(dirname "$0")"
{% include "routers/bundle/lists.sh" %}
if [ ! -e unread ]; then exit; fi
install -m 644 root.crl /etc/swanctl/x509crl/sekisho-root.crl
{% for issuer in v.issuers %}install -m 644 {{ issuer.list }} /etc/swanctl/x509crl/sekisho-{{ issuer.list }}
{% endfor %}swanctl --load-creds --noprompt
# The list that judged another router stays in force until it expires, unless it is forgotten.
swanctl --flush-certs --type x509_crl
rm -f unread
