{% include "routers/bundle/deny.sh" %}
ipsec auto --down "$1"
{% for peer in v.peers %}{% for (name, _, _) in v.networks(peer).into_iter().skip(1) %}[ "$1" != {{ peer.id }} ] || ipsec auto --down {{ name }} || true # it may have ended with the first
{% endfor %}{% endfor -%}
echo "The daemon was told to end the tunnel with $name."
