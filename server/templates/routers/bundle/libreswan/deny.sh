{% include "routers/bundle/deny.sh" %}
ipsec auto --down "$1"
echo "The daemon was told to end the tunnel with $name."
