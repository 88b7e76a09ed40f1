#!/bin/sh
# {{ v.name }} ({{ v.id }}): a new key and, by the present certificate, a new certificate (RFC 7030 section 4.2.2).
# Once a year is often enough. Afterwards: sh install.sh, and the line that loads it.
set -eu
umask 077
cd "$(dirname "$0")"
case $(openssl pkey -in router.key -noout -text) in
  *'NIST CURVE: P-256'*) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out router.key.new ;;
  *) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out router.key.new ;;
esac
openssl req -new -key router.key.new -subj "/CN={{ v.id }}" -outform DER | openssl base64 >request.b64
curl --silent --show-error --cert router.pem --key router.key --cacert root.pem \
  --header 'Content-Type: application/pkcs10' --data-binary @request.b64 --output answer \
  --write-out '%{http_code}' {{ v.est }}/simplereenroll >status
if [ "$(cat status)" != 200 ]; then cat answer >&2; exit 1; fi
openssl base64 -d -A -in answer | openssl pkcs7 -inform DER -print_certs | openssl x509 -out router.pem.new
openssl verify -CAfile root.pem {% for issuer in v.issuers %}-untrusted {{ issuer.file }} {% endfor %} router.pem.new >/dev/null
mv router.key router.key.old
mv router.pem router.pem.old
mv router.key.new router.key
mv router.pem.new router.pem
rm -f request.b64 answer status
openssl x509 -in router.pem -noout -subject -enddate
