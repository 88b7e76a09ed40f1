#!/bin/sh
# {{ v.name }} ({{ v.id }}): ends the tunnel with a router that was revoked, instead of at its next
# authentication. As root, with the identifier that stands in the configuration:
#   sh deny.sh T3W8K0M5XYZ
set -eu
if [ $# -ne 1 ]; then echo "deny.sh: name the router" >&2; exit 2; fi
case $1 in
{% for peer in v.peers %}{{ peer.id }}) name={{ peer.dns_name }} ;;
{% endfor %}*) echo "deny.sh: $1 is no peer of this router" >&2; exit 2 ;;
esac
# The other end tries again at once: by then it has to be known.
sh "$(dirname "$0")/revocation.sh"
