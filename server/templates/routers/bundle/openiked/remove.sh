#!/bin/sh
# {{ v.name }} ({{ v.id }}): takes away what install.sh put there and brings back what it found. As root; then:
# systemctl restart openiked
set -eu
rm -f /etc/iked.conf /etc/iked/private/sekisho-*.psk
{% if v.has_certificate() %}rm -f /etc/iked/ca/sekisho.crt /etc/iked/certs/sekisho-router.crt /etc/iked/crls/sekisho-*.crl \
  /etc/iked/private/local.key /etc/iked/local.pub
{% endif %}for path in /etc/iked.conf{% if v.has_certificate() %} /etc/iked/private/local.key /etc/iked/local.pub{% endif %}; do
  if [ -e "$path.before-sekisho" ]; then mv "$path.before-sekisho" "$path"; fi
done
