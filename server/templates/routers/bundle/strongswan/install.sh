#!/bin/sh
# {{ v.name }} ({{ v.id }}): puts keys, certificates, lists and configuration to where strongSwan looks. As root,
# after enrol.sh or psk.sh, and again after renew.sh or another pre-shared key.
set -eu
umask 077
cd "$(dirname "$0")"
{% include "routers/bundle/psk-install.sh" -%}
{% if v.certificate %}{% include "routers/bundle/lists.sh" %}
install -m 600 router.key /etc/swanctl/private/sekisho-router.key
install -m 644 router.pem /etc/swanctl/x509/sekisho-router.pem
install -m 644 root.pem /etc/swanctl/x509ca/sekisho-root.pem
install -m 644 root.crl /etc/swanctl/x509crl/sekisho-root.crl
{% for issuer in v.issuers %}install -m 644 {{ issuer.file }} /etc/swanctl/x509ca/sekisho-{{ issuer.file }}
install -m 644 {{ issuer.list }} /etc/swanctl/x509crl/sekisho-{{ issuer.list }}
{% endfor %}{% endif %}rm -f /etc/swanctl/conf.d/sekisho-psk-*.conf
{% if v.psks %}{% include "routers/bundle/strongswan/psk.sh" %}
{% for peer in v.with_psk() %}share {{ peer.id }} {{ peer.dns_name }}
{% endfor %}{% endif %}install -m 600 swanctl.conf /etc/swanctl/conf.d/sekisho.conf
