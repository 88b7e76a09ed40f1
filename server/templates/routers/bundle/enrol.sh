#!/bin/sh
# {{ v.name }} ({{ v.id }}): makes the router's key and fetches its certificate by EST (RFC 7030).
# Needs openssl and curl. Asks for the one-time code, which stands in no file and no command line.
#   sh enrol.sh            a P-256 key
#   sh enrol.sh rsa3072    an RSA key of 3,072 bits, for peers that know nothing else
set -eu
umask 077
cd "$(dirname "$0")"
if [ ! -s router.key ]; then
  case ${1:-p256} in
    p256) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out router.key.new ;;
    rsa3072) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out router.key.new ;;
    *) echo "enrol.sh: p256 or rsa3072" >&2; exit 2 ;;
  esac
  mv router.key.new router.key
fi
{% let wanted = "its certificate" -%}
{% include "routers/bundle/code.sh" %}
openssl req -new -key router.key -subj "/CN={{ v.id }}" -outform DER | openssl base64 >request.b64
ask() {
  printf 'user = "{{ v.id }}:%s"\n' "$code" |
    curl --silent --show-error --config - --cacert root.pem --header 'Content-Type: application/pkcs10' \
      --data-binary @request.b64 --output answer --dump-header head --write-out '%{http_code}' \
      {{ v.est }}/simpleenroll >status
}
trap 'rm -f request.b64 answer head status waits' EXIT
rm -f waits
ask
if [ "$(cat status)" = 202 ]; then
  echo "The facility's administrator has to approve this key (SHA-256) at the console; waiting:" >&2
  openssl pkey -in router.key -pubout -outform DER | openssl dgst -sha256 -r |
    sed 's/ .*//; s/......../& /g' >&2
fi
while [ "$(cat status)" = 202 ] || [ -e waits ]; do
  # RFC 7030 section 4.2.3: the same request again, when the server says; also where it could not be reached.
  case $(cat status) in
    202 | 000 | 429 | 5??) : >waits ;;
    *) break ;;
  esac
  again=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]*\).*/\1/p' head 2>/dev/null | tail -n 1)
  sleep "${again:-60}"
  ask || echo 000 >status
done
if [ "$(cat status)" != 200 ]; then cat answer >&2; exit 1; fi
openssl base64 -d -A -in answer | openssl pkcs7 -inform DER -print_certs | openssl x509 -out router.pem.new
openssl verify -CAfile root.pem {% for issuer in v.issuers %}-untrusted {{ issuer.file }} {% endfor %} router.pem.new >/dev/null
mv router.pem.new router.pem
openssl x509 -in router.pem -noout -subject -enddate
