{% include "routers/bundle/deny.sh" %}
ipsec auto --down "$1"
echo "No tunnel with $name stands."
