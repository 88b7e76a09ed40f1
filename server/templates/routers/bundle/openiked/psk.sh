# The key of a pair, in a file that its policy names (without a line break, which would belong to the key).
share() { # the router at the other end
  printf '%s' "$(sed -n 's/^secret //p' "psk-$1")" >"/etc/iked/private/sekisho-$1.psk"
}
