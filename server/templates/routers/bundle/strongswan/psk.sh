share() { # the router at the other end, its name: the key of the pair, for the names of both
  secret "$1"
  printf 'secrets {\n  ike-%s {\n    id-1 = {{ v.dns_name }}\n    id-2 = %s\n    secret = "%s"\n  }\n}\n' \
    "$1" "$2" "$secret" >"/etc/swanctl/conf.d/sekisho-psk-$1.conf"
}
