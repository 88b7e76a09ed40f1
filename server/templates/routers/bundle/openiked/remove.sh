#!/bin/sh
# {{ v.name }} ({{ v.id }}): takes away what install.sh put there, also by an earlier bundle, and brings back what it
# found. As root; then: systemctl restart openiked
set -eu
rm -f /etc/iked/ca/sekisho.crt /etc/iked/certs/sekisho-router.crt /etc/iked/crls/sekisho-*.crl \
  /etc/iked.conf /etc/iked/private/local.key /etc/iked/local.pub /etc/iked/private/sekisho-*.psk
for path in /etc/iked.conf /etc/iked/private/local.key /etc/iked/local.pub; do
  if [ -e "$path.before-sekisho" ]; then mv "$path.before-sekisho" "$path"; fi
done
