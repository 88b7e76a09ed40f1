# Whether the keys of pairs still count. One that was ended gives way to the one before, where that is in force
# again, and else to one that nobody knows.
exec 9>psk.lock
flock 9
state() { # a key's file: in-force, waiting, replaced or ended; nothing where nobody answers
  id=$(sed -n 's/^id //p' "$1" 2>/dev/null)
  [ -n "$id" ] || return 0
  curl --silent --show-error --fail --max-time 15 --cacert root.pem "{{ v.psk }}/$id" || true
}
ended() { # the router at the other end
  if [ "$(state "psk-$1.next")" = ended ]; then rm "psk-$1.next"; fi
  case $(state "psk-$1") in
  in-force) rm -f "psk-$1.before"; return 1 ;;
  ended) ;;
  *) return 1 ;;
  esac
  handled=$(sed -n 's/^id //p' "psk-$1")
  if [ "$(state "psk-$1.before")" = in-force ]; then
    mv "psk-$1.before" "psk-$1" || exit 1
    echo "revocation.sh: the new key with $1 was not fetched by both in time; the one before counts again" >&2
    return 0
  fi
  nobodys=$(od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n')
  printf 'id %s\npeer %s\nsecret %s\n' "$handled" "$1" "$nobodys" >"psk-$1.new" &&
    mv "psk-$1.new" "psk-$1" || exit 1
  rm -f "psk-$1.before"
  echo "revocation.sh: the key with $1 was ended; a tunnel needs another key, or certificates" >&2
}
settled() { # the router at the other end: the daemon knows, so that nobody is asked about that key any more
  sed -i "/^id $handled\$/d" "psk-$1"
}
{% include "routers/bundle/secret.sh" %}
