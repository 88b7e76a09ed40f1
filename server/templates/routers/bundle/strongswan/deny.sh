#!/bin/sh
# {{ v.name }} ({{ v.id }}): ends the tunnel with a router that was revoked, instead of at its next
# authentication. As root, with the identifier that stands in the configuration:
#   sh deny.sh T3W8K0M5XYZ
set -eu
if [ $# -ne 1 ]; then echo "deny.sh: name the router" >&2; exit 2; fi
# The other end tries again at once: by then it has to be known.
sh "$(dirname "$0")/revocation.sh"
# It is told, and not waited for: one that no longer answers would be asked for minutes.
# Without a tunnel there is nothing to end.
swanctl --terminate --ike "$1" --force || [ -z "$(swanctl --list-sas --ike "$1")" ]
