# The key of a pair, for the names of both.
share() { # the router at the other end, its name
  printf 'secrets {\n  ike-%s {\n    id-1 = {{ v.dns_name }}\n    id-2 = %s\n    secret = "%s"\n  }\n}\n' \
    "$1" "$2" "$(sed -n 's/^secret //p' "psk-$1")" >"/etc/swanctl/conf.d/sekisho-psk-$1.conf"
}
