{
:
{% for peer in v.peers %}if stands {{ peer.id }} {{ peer.dns_name }}; then echo "{{ peer.id }},up"; else echo "{{ peer.id }},down"; fi
{% endfor %}} >report.new
if [ ! -s report.new ]; then echo "report.sh: this bundle names no other router" >&2; exit 2; fi
# What was said is said again only to tell that this router is still there; what was refused is not tried every minute.
if [ "${1:-}" = cron ]; then
  if cmp -s report.new report && [ -z "$(find report -mmin +9)" ]; then exit; fi
  if [ -n "$(find . -maxdepth 1 -name report.refused -mmin -10)" ]; then exit; fi
fi
trap 'rm -f report.answer report.answers report.status report.part.*' EXIT
# The service takes so many tunnels at once.
rm -f report.part.* report.answers
split -a 4 -l {{ crate::network::tick::REPORTED_AT_ONCE }} report.new report.part.
send() { # a part of the report, options of curl: whether it was taken
  part=$1
  shift
  rm -f report.answer
  curl --silent --show-error --max-time 15 --cacert root.pem --header 'Content-Type: text/csv' \
    --data-binary "@$part" --output report.answer --write-out '%{http_code}' "$@" {{ v.tunnels }} >report.status || return 1
  [ "$(cat report.status)" = 200 ]
}
code() { # a key's file: the code that came with it
  sed -n 's/^report //p' "$1" 2>/dev/null
}
by_code() { # a part, a key's file
  [ -n "$(code "$2")" ] || return 1
  printf 'user = "{{ v.id }}:%s"\n' "$(code "$2")" | send "$1" --config -
}
by_key() { # a part of a router without a certificate, by the code of one key or another
  for key in psk-T*; do
    case $key in *.new | *.before) continue ;; esac
    if by_code "$1" "$key"; then return 0; fi
  done
  return 1
}
by_all() { # every part in turn: whether all were taken
  for each in report.part.*; do
    { [ -s router.pem ] && send "$each" --cert router.pem --key router.key; } || by_key "$each" || return 1
    cat report.answer >>report.answers
  done
}
if by_all; then
  # What changed again too soon was left aside: what was said before stays as it was, so that cron says all of it anew.
  if ! grep -q ': tell it again' report.answers; then mv report.new report; fi
  rm -f report.refused
  if [ "${1:-}" != cron ]; then cat report.part.* report.answers; fi
  exit
fi
: >report.refused
if [ -s report.answer ]; then cat report.answer >&2; fi
if [ ! -s router.pem ] && ! cat psk-T* 2>/dev/null | grep -q '^report '; then
  echo "report.sh: nothing to report by: sh enrol.sh, or sh psk.sh (have a key of before this bundle replaced)" >&2
fi
exit 1
