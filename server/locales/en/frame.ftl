frame-skip = Skip to content
frame-navigation = Menu
frame-sign-out = Log out
frame-other-language = 日本語
frame-print = Print
frame-print-hint = Choose “Print” in your browser’s menu.
