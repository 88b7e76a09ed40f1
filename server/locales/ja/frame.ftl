frame-skip = 本文へ移動
frame-navigation = メニュー
frame-sign-out = ログアウト
frame-other-language = English
frame-print = 印刷する
frame-print-hint = ブラウザーのメニューから「印刷」を選んでください。
