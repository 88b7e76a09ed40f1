prefix-label = IPv6 プレフィックス
prefix-since = （{ $since }から）
