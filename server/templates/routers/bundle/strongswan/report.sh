{% include "routers/bundle/report.sh" %}
stands() { # the router at the other end, its name
  swanctl --list-sas --ike "$1" | grep -q INSTALLED
}
{% include "routers/bundle/report-send.sh" -%}
