{% include "routers/bundle/deny.sh" %}
ikectl reset id "FQDN/$name"
echo "No tunnel with $name stands."
