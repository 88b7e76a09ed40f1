{% for peer in v.with_psk() %}if [ ! -s psk-{{ peer.id }} ]; then echo "install.sh: first sh psk.sh, with the code for {{ peer.id }}" >&2; exit 1; fi
{% endfor -%}
{% if v.psks %}{% include "routers/bundle/secret.sh" %}
{% endif -%}
