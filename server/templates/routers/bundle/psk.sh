#!/bin/sh
# {{ v.name }} ({{ v.id }}): fetches the pre-shared key of one pair by its one-time code, which stands in no
# file and no command line. Once for each code; afterwards: sh install.sh, and the line that loads it. A key is
# handed out once: if it is lost on the way, have it replaced.
set -eu
umask 077
cd "$(dirname "$0")"
{% let wanted = "a pre-shared key" -%}
{% include "routers/bundle/code.sh" %}
trap 'rm -f answer status' EXIT
printf 'user = "{{ v.id }}:%s"\n' "$code" |
  curl --silent --show-error --config - --cacert root.pem --request POST --output answer \
    --write-out '%{http_code}' {{ v.psk }} >status
if [ "$(cat status)" != 200 ]; then cat answer >&2; exit 1; fi
peer=$(sed -n 's/^peer //p' answer)
case $peer in
{% for peer in v.with_psk() %}{{ peer.id }}) ;;
{% endfor %}*) echo "psk.sh: $peer is not in this bundle; install.sh needs the newest one" >&2 ;;
esac
exec 9>psk.lock
flock 9 # revocation.sh may be at the one before
# What is in use stays until install.sh: the other end may not have the new one yet.
if grep -q '^id ' "psk-$peer" 2>/dev/null; then mv answer "psk-$peer.next"; else mv answer "psk-$peer"; fi
echo "The key with $peer is here. When the other end has it, too: sh install.sh"
