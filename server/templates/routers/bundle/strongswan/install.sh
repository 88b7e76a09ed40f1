#!/bin/sh
# {{ v.name }} ({{ v.id }}): puts key, certificate, authorities, lists and configuration to where strongSwan
# looks. As root, after enrol.sh, and again after renew.sh.
set -eu
umask 077
cd "$(dirname "$0")"
{% include "routers/bundle/lists.sh" %}
install -m 600 router.key /etc/swanctl/private/sekisho-router.key
install -m 644 router.pem /etc/swanctl/x509/sekisho-router.pem
install -m 644 root.pem /etc/swanctl/x509ca/sekisho-root.pem
install -m 644 root.crl /etc/swanctl/x509crl/sekisho-root.crl
{% for issuer in v.issuers %}install -m 644 {{ issuer.file }} /etc/swanctl/x509ca/sekisho-{{ issuer.file }}
install -m 644 {{ issuer.list }} /etc/swanctl/x509crl/sekisho-{{ issuer.list }}
{% endfor %}install -m 600 swanctl.conf /etc/swanctl/conf.d/sekisho.conf
