#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches what was revoked. As root, every ten minutes (cron).
set -eu
cd "$(dirname "$0")"
{% include "routers/bundle/lists.sh" %}
install -m 644 root.crl /etc/swanctl/x509crl/sekisho-root.crl
{% for issuer in v.issuers %}install -m 644 {{ issuer.list }} /etc/swanctl/x509crl/sekisho-{{ issuer.list }}
{% endfor %}swanctl --load-creds --noprompt
