share() { # the router at the other end: the key of the pair, whose octets iked reads in hexadecimal
  secret "$1"
  printf '%s' "$secret" | od -An -v -tx1 | tr -d ' \n' >"/etc/iked/private/sekisho-$1.psk"
}
