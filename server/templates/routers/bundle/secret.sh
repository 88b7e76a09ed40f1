# The key of a pair. Never part of one, where a disk was full: a daemon might take what is left.
secret() { # the router at the other end
  secret=$(sed -n 's/^secret //p' "psk-$1")
  if [ "$(printf %s "$secret" | wc -c)" -ne 64 ]; then echo "psk-$1 holds no whole key: have it replaced, and sh psk.sh" >&2; exit 1; fi
}
