{% if v.psks %}{% include "routers/bundle/secret.sh" %}
exec 9>psk.lock
flock 9
ready() { # the router at the other end: its newest key takes its place, and is whole
  if [ -s "psk-$1.next" ]; then
    mv "psk-$1" "psk-$1.before"
    mv "psk-$1.next" "psk-$1"
  fi
  if [ ! -s "psk-$1" ]; then echo "install.sh: first sh psk.sh, with the code for $1" >&2; exit 1; fi
  secret "$1"
}
{% for peer in v.with_psk() %}ready {{ peer.id }}
{% endfor %}{% endif -%}
