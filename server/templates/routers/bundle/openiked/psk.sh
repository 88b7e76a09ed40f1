# The key of a pair, in a file that its policy names; iked reads the octets of the key there in hexadecimal.
share() { # the router at the other end
  sed -n 's/^secret //p' "psk-$1" | tr -d '\n' | od -An -v -tx1 | tr -d ' \n' >"/etc/iked/private/sekisho-$1.psk"
}
