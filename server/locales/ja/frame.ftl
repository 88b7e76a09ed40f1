frame-skip = 本文へ移動
frame-navigation = メニュー
frame-sign-out = ログアウト
frame-other-language = English
