{% include "routers/bundle/deny.sh" %}
ikectl reset id "FQDN/$name"
echo "The daemon was told to end the tunnel with $name."
