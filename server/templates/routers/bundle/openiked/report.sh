{% include "routers/bundle/report.sh" %}
stands() { # the router at the other end, its name
  ikectl show sa | grep -F "FQDN/$2" | grep -q ESTABLISHED
}
{% include "routers/bundle/report-send.sh" -%}
