# Key ceremonies: what `sekisho ceremony` says to its operators.
ceremony-key-made = Key { $name } was made. SHA-256 of the public key: { $sha256 }
ceremony-key-there = Key { $name } is there already. SHA-256 of the public key: { $sha256 }
ceremony-keys-next =
    Next: see what would be signed, by `sekisho ceremony dry-run { $plan }`.
ceremony-dry-run-title = Dry run: { $title } (nothing was signed)
ceremony-dry-run-hash = Hash of everything that would be signed: { $hash }
ceremony-dry-run-next =
    Next:
    1. A second person makes the same dry run on another computer; compare the hashes aloud.
    2. If they are the same, run it: sekisho ceremony run { $plan } --hash { $hash } --out DIR --secret NAME=FILE
ceremony-step-certificate = [{ $number }/{ $all }] certificate { $file } ({ $subject }, profile { $profile }), signed by { $issuer }
ceremony-step-crl = [{ $number }/{ $all }] revocation list { $file } (number { $crl }), signed by { $issuer }
ceremony-progress-signing = being signed
ceremony-progress-signed = signed and written down
ceremony-progress-found = signed by an earlier run (verified)
ceremony-run-other-hash =
    the hash of what would be signed is { $found }, not { $given } as given: nothing was signed. The plan or a key changed after the dry run; make it again and compare again.
ceremony-run-next =
    Everything is signed. Next:
    1. Verify it: sekisho ceremony verify { $out } --hash { $hash }
    2. Carry { $out } away and put the private keys back where they are kept. The witnesses keep a copy of transcript.json.
ceremony-verify-holds = It holds: { $title }, { $at }, operator { $operator }
ceremony-verify-reviewed = The hash is the one that was compared: { $hash }
ceremony-verify-compare = Compare this hash with the one that was reviewed (or give it by --hash): { $hash }
ceremony-request-made =
    The key of { $id } was made ({ $key }, it stays here), and the request is in { $out }.
    For the plan: sha256 = "{ $sha256 }". Tell it by another way than the request's, such as by telephone, and compare.
ceremony-request-again =
    The key of { $id } was there from an earlier request ({ $key }), and is kept; a new request for it is in { $out }. Either request can be carried to the root, for there is one key.
    For the plan: sha256 = "{ $sha256 }". For another key, move that file away and ask again.
ceremony-request-made-in-token =
    The key of { $id } was made in the token { $key } under this label, and never leaves it; the request is in { $out }.
    For the plan: sha256 = "{ $sha256 }". Tell it by another way than the request's, such as by telephone, and compare.
ceremony-request-again-in-token =
    The key labelled { $id } was in the token { $key } already, and is kept; a new request for it is in { $out }. Either request can be carried to the root, for there is one key.
    For the plan: sha256 = "{ $sha256 }". For another key, remove this one by the token's own means and ask again.
ceremony-list-planned =
    The plan of the root's next revocation list is { $plan }. Look through it, write where the key lies, and carry the folder to the root's computer.
ceremony-installed-root =
    Root { $id } is installed, and certified by the one before and the other way round. From { $from } on terminals are told both, and new ones are enrolled with its fingerprint. Start every running `sekisho serve` again before then (on another host after copying the new files of ca/ and keys/).
ceremony-installed-authority =
    Authority { $id } is installed and issues from { $from } on. Start every running `sekisho serve` again before then (on another host after copying the new files of ca/ and keys/).
ceremony-installed-list = The revocation list of { $issuer }, number { $number }, is published.
ceremony-installed-before = All of it was installed before. Nothing changed.
ceremony-root-planned =
    The plan of { $id } is { $plan }, with a request for each new authority. Look through it, write where the roots' keys lie, and carry the folder to the roots' computer.
    SHA-256 of the new authorities' keys, as they stand in the plan; tell them by another way, such as by telephone, and compare:
ceremony-root-ended =
    Root { $id } has ended. Start every running `sekisho serve` again: until then a process goes on telling it to terminals. Its key and every copy of it can be destroyed.
ceremony-root-ended-before = Root { $id } had ended before. Nothing changed.
ceremony-import-dry-run =
    Dry run: { $id } would be taken over (nothing was changed)
    Authority: { $subject }
    Valid until { $until }; SHA-256 of its key: { $key }
    Issued: { $certificates } certificates, { $revoked } of them on its last list
    Last list: number { $number }, of { $of }
    Hash of everything that would be taken over: { $hash }
    Next:
    1. A second person makes the same dry run on another computer; compare the hashes aloud.
    2. Stop the other system for good: what it issues or takes back from now on would not be known here.
    3. If the hashes are the same, give the same command with --key FILE --secret FILE (or --in-token) --hash { $plain } --out transcript.json
ceremony-import-other-hash =
    the hash of what would be taken over is { $found }, not { $given } as given: nothing was taken. A file changed after the dry run; make it again and compare again.
ceremony-import-done =
    Authority { $id } is taken over: { $certificates } certificates, { $revoked } revocations entered. The transcript is in { $out }.
    Next: start every running `sekisho serve` again, and let the old addresses lead to /crl/{ $id }.crl and /ocsp. Destroy every other copy of the key.
ceremony-verify-import-holds = It holds: { $id } was taken over, { $at }, operator { $operator }; { $certificates } certificates, { $revoked } of them on list number { $number }
