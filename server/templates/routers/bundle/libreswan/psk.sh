share() { # the router at the other end, its name: the key of the pair, for the names of both
  secret "$1"
  printf '@{{ v.dns_name }} @%s : PSK "%s"\n' "$2" "$secret" >"/etc/ipsec.d/sekisho-$1.secrets"
}
