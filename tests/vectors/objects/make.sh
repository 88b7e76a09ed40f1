#!/usr/bin/env bash
# Made the objects beside it, once, with OpenSSL 3.0, NSS 3.87 and OpenJDK's keytool. Running it
# again makes new keys and serial numbers, so the transcripts must be made anew too (README.md).
set -euo pipefail
out=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-$(mktemp -d)}
trap '[ -n "${WORK:-}" ] || rm -rf "$work"' EXIT
cd "$work"
export OPENSSL_CONF=$work/openssl.cnf

cat >openssl.cnf <<'CNF'
oid_section = oids
[oids]
[ca]
default_ca = default
[default]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
default_md = sha384
default_days = 365
policy = any
unique_subject = no
copy_extensions = none
name_opt = utf8
string_mask = utf8only
[any]
countryName = optional
localityName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
serialNumber = optional
[req]
distinguished_name = dn
string_mask = utf8only
utf8 = yes
[dn]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[terminal]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = 1.3.6.1.4.1.32473.1.1
subjectAltName = otherName:1.3.6.1.5.5.7.8.3;SEQUENCE:facility
crlDistributionPoints = URI:http://pki.sekisho.example.jp/crl/terminal.crl
authorityInfoAccess = caIssuers;URI:http://pki.sekisho.example.jp/ca/terminal.cer, OCSP;URI:http://pki.sekisho.example.jp/ocsp
[facility]
value = UTF8:179927398711
assigner = OID:1.3.6.1.4.1.32473.2.1
[hpki]
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid, issuer:always
certificatePolicies = critical, @hpki_policy
subjectAltName = ASN1:SEQUENCE:kanji_names
crlDistributionPoints = URI:http://hpki.example.jp/auth.crl
subjectDirectoryAttributes = DER:303430320606288185420001312831263024a0223120a00c060a2a830886910f01060101a2100c0e4d65646963616c20446f63746f72
[hpki_policy]
policyIdentifier = 1.2.392.100495.1.5.1.2.0.1
CPS.1 = http://hpki.example.jp/cps/
# dirName: would read these names octet by octet.
[kanji_names]
name = EXPLICIT:4,SEQUENCE:kanji_name
[kanji_name]
r0 = SET:kanji_r0
r1 = SET:kanji_r1
r2 = SET:kanji_r2
r3 = SET:kanji_r3
[kanji_r0]
only = SEQUENCE:kanji_a0
[kanji_a0]
type = OID:countryName
value = PRINTABLE:JP
[kanji_r1]
only = SEQUENCE:kanji_a1
[kanji_a1]
type = OID:organizationName
value = FORMAT:UTF8,UTF8:関所病院
[kanji_r2]
only = SEQUENCE:kanji_a2
[kanji_a2]
type = OID:commonName
value = FORMAT:UTF8,BMP:関所　太郎
[kanji_r3]
only = SEQUENCE:kanji_a3
[kanji_a3]
type = OID:serialNumber
value = PRINTABLE:Test000001
[jpki]
keyUsage = critical, digitalSignature, nonRepudiation
authorityKeyIdentifier = keyid
certificatePolicies = critical, 1.2.392.200149.8.5.1.1.20
subjectAltName = @jpki_names
crlDistributionPoints = jpki_crl
[jpki_names]
otherName.1 = 1.2.392.200149.8.5.5.1;FORMAT:UTF8,UTF8:関所　花子
otherName.2 = 1.2.392.200149.8.5.5.2;FORMAT:UTF8,UTF8:00000
otherName.3 = 1.2.392.200149.8.5.5.3;FORMAT:UTF8,UTF8:2
otherName.4 = 1.2.392.200149.8.5.5.4;FORMAT:UTF8,UTF8:419900102
otherName.5 = 1.2.392.200149.8.5.5.5;FORMAT:UTF8,UTF8:関所県関所市関所町１－２－３
[jpki_crl]
fullname = dirName:jpki_point
[jpki_point]
C = JP
O = JPKI look-alike
OU = CRL Distribution Points
CN = Sekisho-shi
[cross]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
nameConstraints = critical, permitted;DNS:example.jp, permitted;IP:10.0.0.0/255.0.0.0, excluded;dirName:excluded
policyConstraints = critical, requireExplicitPolicy:0, inhibitPolicyMapping:1
inhibitAnyPolicy = critical, 2
certificatePolicies = 1.3.6.1.4.1.32473.1.2, 2.999.1
policyMappings = 1.3.6.1.4.1.32473.1.2:2.999.1
freshestCRL = URI:http://pki.sekisho.example.jp/crl/delta.crl
tlsfeature = status_request
noCheck = ignored
1.3.6.1.4.1.32473.99.1 = critical, DER:0c0568656c6c6f
1.3.6.1.4.1.32473.99.2 = DER:deadbeef
2.5.29.36 = DER:3003800101ff
[excluded]
O = Elsewhere
[hostile]
subjectAltName = DNS:a.example, email:b@example.jp, IP:2001:db8::1, URI:http://example.jp/%1b, RID:2.999.4
[crl]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @scope
[scope]
fullname = URI:http://pki.sekisho.example.jp/crl/terminal.crl
onlyuser = TRUE
[delta]
authorityKeyIdentifier = keyid
2.5.29.27 = critical, DER:020110
CNF
: >index.txt
echo 1000 >serial
echo 10 >crlnumber
valid=(-startdate 20260101000000Z -enddate 20351231235959Z)

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:"$1" -out "$2.key" 2>/dev/null || openssl ecparam -genkey -noout -name "$1" -out "$2.key"; }
rsa() { openssl genrsa -out "$1.key" 2048 2>/dev/null; }
request() { openssl req -new -utf8 -key "$1.key" -subj "$2" -out "$1.csr"; }
issue() { # name, section, dates...
    local name=$1 section=$2
    shift 2
    openssl ca -batch -notext -utf8 -preserveDN -in "$name.csr" -out "$name.crt" -cert root.crt -keyfile root.key \
        -extensions "$section" "$@" 2>err || { cat err >&2; false; }
}

key secp384r1 root
request root '/C=JP/O=関所運営主体/CN=関所 ルート認証局 (look-alike)'
openssl ca -batch -notext -utf8 -preserveDN -selfsign -in root.csr -out root.crt -keyfile root.key -extensions root "${valid[@]}" 2>/dev/null
key prime256v1 terminal
request terminal '/C=JP/O=関所病院/CN=T0123456789/serialNumber=179927398711'
issue terminal terminal -startdate 20260601000000Z -enddate 20270630235959Z
rsa hpki
request hpki '/C=JP/O=Sekisho Hospital/CN=Taro Sekisho/serialNumber=Test000001'
issue hpki hpki -startdate 20241231150000Z -enddate 20311231145959Z
rsa jpki
request jpki '/C=JP/L=Sekisho-ken/L=Sekisho-shi/CN=202001011200000000000000A'
issue jpki jpki -startdate 20200101000000Z -enddate 20250102145959Z
key prime256v1 cross
request cross '/C=JP/O=Cross, "Certified" \+ Co/CN=#1'
sed -i '/^noCheck = ignored$/s/.*/noCheck = NULL/' openssl.cnf
issue cross cross "${valid[@]}"
key prime256v1 hostile
request hostile "/C=JP/O=$(printf 'red\033[31m\033]0;owned\007')/OU=$(printf 'exe\xe2\x80\xaegpj')/CN=$(printf 'a\xe2\x80\x8bb\\\\u{1b}')"
issue hostile hostile "${valid[@]}"
request_with() { openssl req -new -utf8 -key "$1.key" -subj "$2" -out "$1.csr" "${@:3}"; }
key prime256v1 device
cat >>openssl.cnf <<'CNF'
[device]
distinguished_name = device_dn
attributes = device_attributes
req_extensions = device_extensions
prompt = no
utf8 = yes
string_mask = utf8only
[device_dn]
C = JP
CN = router-1
[device_attributes]
challengePassword = not-to-be-shown
unstructuredName = 支所
[device_extensions]
subjectAltName = DNS:router-1.example.jp
keyUsage = critical, digitalSignature
CNF
sed 's/^\[req\]$/[unused]/; s/^\[device\]$/[req]/' openssl.cnf >device.cnf
OPENSSL_CONF=device.cnf openssl req -new -key device.key -out device.csr

openssl ca -revoke jpki.crt -crl_reason keyCompromise -cert root.crt -keyfile root.key 2>/dev/null
openssl ca -revoke hpki.crt -crl_reason certificateHold -cert root.crt -keyfile root.key 2>/dev/null
openssl ca -revoke cross.crt -cert root.crt -keyfile root.key 2>/dev/null
openssl ca -gencrl -crlexts crl -crl_lastupdate 20261121000000Z -crl_nextupdate 20261122000000Z -cert root.crt -keyfile root.key -out crl.pem 2>/dev/null
openssl ca -gencrl -crlexts delta -crl_lastupdate 20261120000000Z -crl_nextupdate 20261120060000Z -cert root.crt -keyfile root.key -out delta.pem 2>/dev/null

openssl ocsp -sha256 -issuer root.crt -cert terminal.crt -cert jpki.crt -cert hpki.crt -serial 0x9999 -reqout ocsp-request.der 2>ocsp.err
openssl ocsp -index index.txt -CA root.crt -rsigner root.crt -rkey root.key -reqin ocsp-request.der -respout ocsp-response.der -ndays 1 >ocsp.err 2>&1 || { cat ocsp.err >&2; false; }
printf '\x30\x03\x0a\x01\x06' >ocsp-unauthorized.der
openssl crl2pkcs7 -in crl.pem -certfile root.crt -certfile terminal.crt -outform DER -out bundle.p7b

secret=pass:vector-passphrase
export_p12() { openssl pkcs12 -export -inkey terminal.key -in terminal.crt -certfile root.crt -name '端末 1' "$@"; }
export_p12 -passout $secret -out aes256.p12
export_p12 -passout $secret -keypbe AES-128-CBC -certpbe AES-128-CBC -macalg sha512 -iter 4096 -out aes128.p12
export_p12 -passout $secret -legacy -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -out des3.p12
export_p12 -passout $secret -legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-3DES -macalg sha1 -out rc2.p12
export_p12 -passout $secret -keypbe NONE -certpbe NONE -nomac -out plain.p12
export_p12 -passout pass: -out empty.p12
mkdir nss
certutil -N -d sql:nss --empty-password
pk12util -i aes256.p12 -d sql:nss -W vector-passphrase >/dev/null
pk12util -o nss.p12 -d sql:nss -n '端末 1' -W vector-passphrase >/dev/null 2>&1
keytool -importkeystore -noprompt -srckeystore aes256.p12 -srcstorepass vector-passphrase -destkeystore java.p12 -deststoretype PKCS12 -deststorepass vector-passphrase >/dev/null 2>&1

for name in root terminal hpki jpki cross hostile; do openssl x509 -in "$name.crt" -outform DER -out "$out/$name.cer"; done
for name in crl delta; do openssl crl -in "$name.pem" -outform DER -out "$out/$name.crl"; done
openssl req -in device.csr -outform DER -out "$out/device.csr"
openssl pkey -in terminal.key -pubout -outform DER -out "$out/terminal.spki"
cp ocsp-request.der ocsp-response.der ocsp-unauthorized.der bundle.p7b ./*.p12 "$out"
{ echo "subject: what stands around the blocks is passed over"; cat terminal.crt crl.pem terminal.key root.crt; } >"$out/bundle.pem"
openssl x509 -in terminal.crt -outform DER | base64 -w 64 >"$out/terminal.b64"
# Parts of these, cut out, as seeds for the parsers of parts.
inside() { # file, what the dump of the OCTET STRING begins with
    local at
    at=$(openssl asn1parse -inform DER -in "$out/$1" | grep -m1 "HEX DUMP]:$2" | cut -d: -f1)
    openssl asn1parse -inform DER -in "$out/$1" -strparse "$at" -noout -out /dev/stdout
}
inside hpki.cer 30343032 >"$out/hc-role.der"
inside hpki.cer 3052A450 | tail -c +5 >"$out/name.der"
inside terminal.cer 302AA028 | tail -c +17 >"$out/permanent-identifier.der"
cat "$out"/{terminal,hpki,cross}.cer >"$out/chain.der"
