vouching-lapsed-expired = 資格を証明していたHPKI証明書の有効期限が切れました。
vouching-lapsed-revoked = 資格を証明していたHPKI証明書が失効しました。
vouching-lapsed-unknown = 資格を証明するHPKI証明書が失効していないことを、いま確認できません。
vouching-lapsed-refused = 資格を証明するHPKI証明書を、いま確認できません。
vouching-lapsed-unlinked = ログインに使ったマイナンバーカードまたはパスキーの登録が解除されました。
vouching-lapsed-now = いまは資格なしでログインしています。
vouching-lapsed-help = 有効なHPKIカードでログインすると、資格を使えます。マイナンバーカードは、そのあとでもう一度紐付けてください。パスキーは、いったん削除してから登録し直してください。
vouching-lapsed-own-help = ログインは続いていますが、確認できるまで資格を使えません。数分待ってもこの表示が続くときは、施設の管理者に知らせてください。
