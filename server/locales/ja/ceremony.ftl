# 鍵の儀式。コマンド `sekisho ceremony` が操作者に見せる文。
ceremony-key-made = 鍵 { $name } を作りました。公開鍵の SHA-256: { $sha256 }
ceremony-key-there = 鍵 { $name } は既にあります。公開鍵の SHA-256: { $sha256 }
ceremony-keys-next =
    次にすること: `sekisho ceremony dry-run { $plan }` で署名の対象を確かめてください。
ceremony-dry-run-title = 試行: { $title }（何も署名していません）
ceremony-dry-run-hash = 署名の対象全体のハッシュ: { $hash }
ceremony-dry-run-next =
    次にすること:
    1. もう一人が、別のコンピューターで同じ試行をして、ハッシュを声に出して照合してください。
    2. 一致したら実行します: sekisho ceremony run { $plan } --hash { $hash } --out DIR --secret NAME=FILE
ceremony-step-certificate = [{ $number }/{ $all }] 証明書 { $file }（{ $subject }、プロファイル { $profile }）、署名者 { $issuer }
ceremony-step-crl = [{ $number }/{ $all }] 失効リスト { $file }（第 { $crl } 号）、署名者 { $issuer }
ceremony-progress-signing = 署名しています
ceremony-progress-signed = 署名し、書き込みました
ceremony-progress-found = 前回の実行で署名済みです（検証しました）
ceremony-run-other-hash =
    署名しようとするもののハッシュは { $found } で、与えられた { $given } と違います。何も署名していません。計画か鍵が試行の後に変わりました。もう一度試行し、照合し直してください。
ceremony-run-next =
    すべて署名しました。次にすること:
    1. 検証: sekisho ceremony verify { $out } --hash { $hash }
    2. { $out } を運び、秘密鍵を保管場所に戻してください。立会人は transcript.json の写しを保管します。
ceremony-verify-holds = 検証できました: { $title }、{ $at }、操作者 { $operator }
ceremony-verify-reviewed = ハッシュは照合したものと同じです: { $hash }
ceremony-verify-compare = このハッシュを、照合したものと比べてください（--hash を与えると比べます）: { $hash }
ceremony-request-made =
    { $id } の鍵を作り（{ $key }、外に出しません）、{ $out } に要求を書きました。
    計画に書くもの: sha256 = "{ $sha256 }"。要求とは別の経路（電話など）でも伝え、照合してください。
ceremony-request-again =
    { $id } の鍵は前回の要求で作ったもの（{ $key }）があり、そのまま使います。新しい要求を { $out } に書きました。鍵は一つなので、どちらの要求を運んでもかまいません。
    計画に書くもの: sha256 = "{ $sha256 }"。別の鍵にする場合は、そのファイルを移してからもう一度実行してください。
ceremony-request-made-in-token =
    { $id } の鍵をトークン { $key } の中にこのラベルで作りました（取り出せません）。{ $out } に要求を書きました。
    計画に書くもの: sha256 = "{ $sha256 }"。要求とは別の経路（電話など）でも伝え、照合してください。
ceremony-request-again-in-token =
    ラベル { $id } の鍵はトークン { $key } にすでにあり、そのまま使います。新しい要求を { $out } に書きました。鍵は一つなので、どちらの要求を運んでもかまいません。
    計画に書くもの: sha256 = "{ $sha256 }"。別の鍵にする場合は、トークンの道具でこの鍵を消してからもう一度実行してください。
ceremony-list-planned =
    ルートの次の失効リストの計画を { $plan } に書きました。内容を確かめ、鍵の場所を書き、フォルダーをルートのコンピューターに運んでください。
ceremony-installed-root =
    ルート { $id } を取り込みました（前のルートとの相互認証証明書を含みます）。{ $from } から、端末には両方のルートを知らせ、新しい端末はこのルートの指紋で登録します。それまでに、動いている sekisho serve をすべて再起動してください（別のホストには ca/ と keys/ の新しいファイルを写してから）。
ceremony-installed-authority =
    認証局 { $id } を取り込みました。{ $from } から発行します。それまでに、動いている sekisho serve をすべて再起動してください（別のホストには ca/ と keys/ の新しいファイルを写してから）。
ceremony-installed-list = { $issuer } の失効リスト（第 { $number } 号）を公開しました。
ceremony-installed-before = すべて取り込み済みです。何も変わりませんでした。
ceremony-root-planned =
    { $id } の計画を { $plan } に、新しい認証局それぞれの要求とともに書きました。内容を確かめ、両方のルートの鍵の場所を書き、フォルダーをルートのコンピューターに運んでください。
    新しい認証局の鍵の SHA-256（計画に書いたもの）。別の経路（電話など）でも伝え、照合してください:
ceremony-root-ended =
    ルート { $id } の使用を終えました。動いている sekisho serve をすべて再起動してください。それまでは、再起動していないプロセスが端末に知らせ続けます。鍵とその写しはすべて破棄してかまいません。
ceremony-root-ended-before = ルート { $id } は終了済みです。何も変わりませんでした。
ceremony-import-dry-run =
    試行: { $id } を引き継ぐ内容（何も変えていません）
    認証局: { $subject }
    有効期限 { $until }、鍵の SHA-256: { $key }
    発行済み: 証明書 { $certificates } 枚、うち最後の失効リストにあるもの { $revoked } 枚
    最後の失効リスト: 第 { $number } 号、{ $of }
    引き継ぐもの全体のハッシュ: { $hash }
    次にすること:
    1. もう一人が、別のコンピューターで同じ試行をして、ハッシュを声に出して照合してください。
    2. 元のシステムを完全に止めてください。今後そこで発行・失効したものは、ここでは分かりません。
    3. 一致したら、同じコマンドに --key FILE --secret FILE（または --in-token）--hash { $plain } --out transcript.json を付けて実行します。
ceremony-import-other-hash =
    引き継ごうとするもののハッシュは { $found } で、与えられた { $given } と違います。何も引き継いでいません。ファイルが試行の後に変わりました。もう一度試行し、照合し直してください。
ceremony-import-done =
    認証局 { $id } を引き継ぎました。証明書 { $certificates } 枚、失効 { $revoked } 件を記録しました。記録は { $out } です。
    次にすること: 動いている sekisho serve をすべて再起動し、元のアドレスから /crl/{ $id }.crl と /ocsp に届くようにしてください。鍵のほかの写しは破棄してください。
ceremony-verify-import-holds = 検証できました: { $id } の引き継ぎ、{ $at }、操作者 { $operator }。証明書 { $certificates } 枚、うち失効リスト第 { $number } 号にあるもの { $revoked } 枚
