{% include "routers/bundle/report.sh" %}
stands() { # the router at the other end, its name
  ipsec whack --trafficstatus | grep -q "\"$1\""
}
{% include "routers/bundle/report-send.sh" -%}
