# The key of a pair, for the names of both.
share() { # the router at the other end, its name
  printf '@{{ v.dns_name }} @%s : PSK "%s"\n' "$2" "$(sed -n 's/^secret //p' "psk-$1")" \
    >"/etc/ipsec.d/sekisho-$1.secrets"
}
