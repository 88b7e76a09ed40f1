setup-title = Setting up “{ $name }”
setup-tunnels = Tunnels (routers at the other end)
setup-all-up = Every tunnel is up.
setup-up = Tunnel up
setup-down = Tunnel down
setup-silent = Not known at the moment
setup-unheard = Not yet
setup-untold = Nobody will tell
setup-since = since { $time }
setup-down-since = Said to be down since { $time }.
setup-by-own = Told by: this router
setup-by-other = Told by: the router at the other end
setup-by-both = Told by: both routers
setup-heard = Last heard of: { $ago }
setup-ago-now = less than a minute ago
setup-ago-minutes = { $count ->
    [one] one minute ago
   *[other] { $count } minutes ago
}
setup-ago-hours = { $count ->
    [one] one hour ago
   *[other] { $count } hours ago
}
setup-ago-days = { $count ->
    [one] one day ago
   *[other] { $count } days ago
}
setup-silent-was-up = The tunnel was up then.
setup-silent-was-down = The tunnel was down then.
setup-unheard-text = Neither router has told anything yet.
setup-untold-text = Neither of these makes tells this page that a tunnel is up. Look at the device itself.
setup-seen = On { $time } whoever worked here said to have seen it up (no router told so).
setup-seen-button = I saw it up at the device
setup-seen-button-of = I saw it up at the device: the tunnel with “{ $name }”
setup-peer-gone = There is nothing to connect to
setup-peer-gone-text = The router at the other end was revoked or suspended, or no VPN group has both any more. Tell the facility’s administrator.
setup-check = What to look at:
setup-check-report = Run “sh report.sh” at the router; it must show no error
setup-check-report-other = “sh report.sh” was run at the router at the other end, without an error (this make tells nothing by itself)
setup-check-order = All steps below were done, in their order
setup-check-other-end = The router at the other end is set up and running, too
setup-check-reach = The router’s clock is right, and what lies between lets UDP 500 and 4500 pass
setup-check-device = Have the device show its state:
setup-as-of = As of { $time }.
setup-refreshes = Until the tunnels are up, this page looks again every ten seconds.
setup-refresh-off = Stop looking by itself
setup-refresh-on = Look again by itself
setup-look-again = Look again
setup-until = This page can be seen until { $time }.
setup-step-files = Put the following files, which the facility’s administrator gave you, into one folder (such as /root/sekisho), under these names.
setup-step-files-untried = Get the following files from the facility’s administrator.
setup-step-certificate = Get the file with key and certificate (PKCS #12) from the facility’s administrator, and put it into the device.
setup-form-title = See how a router is set up
setup-form-lead = Scan the picture on the sheet that the facility’s administrator gave you, or type the code on it. There is nothing to log in to.
setup-form-code = Code for setting up
setup-form-hint = 20 characters; capital or small, with hyphens or without.
setup-form-open = Open
setup-form-refused = There is no page for this code.
setup-form-refused-help = Compare it with the sheet and type it again. If it is right, have the facility’s administrator make a new sheet.
setup-over-title = This link for setting up is over
setup-over-text = Its time is over, another one was made, or the facility’s administrator ended it. It can no longer be seen.
setup-over-help = If there is work left to do, have the facility’s administrator make a new sheet.
setup-over-another = Type another code
