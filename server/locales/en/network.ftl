prefix-label = IPv6 prefix
prefix-since = (since { $since })
