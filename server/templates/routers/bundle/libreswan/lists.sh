crlutil -I -d "$nss" -i root.crl
{% for issuer in v.issuers %}crlutil -I -d "$nss" -i {{ issuer.list }}
{% endfor -%}
