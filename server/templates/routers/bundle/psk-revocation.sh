# Whether the keys of pairs still count. One that was ended gives way to one that nobody knows.
exec 9>psk.lock
flock 9
ended() { # the router at the other end
  id=$(sed -n 's/^id //p' "psk-$1" 2>/dev/null)
  [ -n "$id" ] || return 1
  state=$(curl --silent --show-error --fail --max-time 15 --cacert root.pem "{{ v.psk }}/$id")
  [ "$state" = ended ] || return 1
  nobodys=$(od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n')
  printf 'id %s\npeer %s\nsecret %s\n' "$id" "$1" "$nobodys" >"psk-$1.new" && mv "psk-$1.new" "psk-$1" || exit 1
  echo "revocation.sh: the key with $1 was ended; a tunnel needs another key, or certificates" >&2
}
settled() { # the router at the other end: the daemon knows, so that nobody is asked about this key any more
  sed -i '/^id /d' "psk-$1"
}
{% include "routers/bundle/secret.sh" %}
