#!/bin/sh
# {{ v.name }} ({{ v.id }}): takes away what install.sh put into /etc/swanctl. As root; then: swanctl --load-all
set -eu
rm -f /etc/swanctl/conf.d/sekisho.conf /etc/swanctl/conf.d/sekisho-psk-*.conf \
  /etc/swanctl/private/sekisho-router.key /etc/swanctl/x509/sekisho-router.pem \
  /etc/swanctl/x509ca/sekisho-*.pem /etc/swanctl/x509crl/sekisho-*.crl
