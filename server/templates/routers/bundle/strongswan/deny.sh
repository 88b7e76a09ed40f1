{% include "routers/bundle/deny.sh" %}
# It is told, and not waited for: one that no longer answers would be asked for minutes.
# Without a tunnel there is nothing to end.
swanctl --terminate --ike "$1" --force || {
  standing=$(swanctl --list-sas --ike "$1")
  [ -z "$standing" ]
}
echo "No tunnel with $name stands."
