# The lists of what was revoked, each verified before it takes the place of the one before. What has not changed
# is not sent again (ETag). The file `unread` says that something has, until the daemon was told.
fetch() { # file, address, certificate of its issuer
  file=$1 address=$2 issuer=$3
  rm -f "$file.new"
  set --
  if [ -s "$file" ] && [ -s "$file.etag" ]; then set -- --etag-compare "$file.etag"; fi
  curl --silent --show-error --fail --max-time 15 "$@" --etag-save "$file.etag.new" \
    --output "$file.new" "$address"
  if [ ! -s "$file.new" ]; then return; fi
  openssl crl -inform DER -in "$file.new" -CAfile "$issuer" -noout 2>&1 | grep -q 'verify OK'
  : >unread
  mv "$file.new" "$file"
  mv "$file.etag.new" "$file.etag"
}
{% for issuer in v.issuers %}fetch {{ issuer.list }} {{ issuer.list_address }} {{ issuer.file }}
{% endfor %}fetch root.crl {{ v.root_list_address }} root.pem
