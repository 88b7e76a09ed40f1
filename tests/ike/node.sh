# One router: a daemon that is configured by its bundle alone.
#   sh node.sh DAEMON TREE BUNDLE SHIM    in mount and process namespaces of its own
# It enrols and installs with the machine's network, writes BUNDLE/ready, and goes on in a network
# namespace of its own: it waits for an address on eth0 and for BUNDLE/go. What the daemon says goes to
# BUNDLE/log; BUNDLE/up says that it listens.
set -eu
daemon=$1 tree=$2 bundle=$3 shim=$4
log=$bundle/log

if [ "${5:-}" != started ]; then
	mount -t tmpfs tmpfs /run
	mkdir -p /run/etc /run/etc-work /run/var /run/var-work
	mount -t overlay overlay -o "lowerdir=$tree/usr:/usr" /usr
	mount -t overlay overlay -o "lowerdir=$tree/etc:/etc,upperdir=/run/etc,workdir=/run/etc-work" /etc
	mount -t overlay overlay -o "lowerdir=/var,upperdir=/run/var,workdir=/run/var-work" /var
	# As the package's own script makes it (iked gives up its privileges to it).
	grep -q '^_iked:' /etc/passwd || echo '_iked:x:199:199::/run/iked:/usr/sbin/nologin' >>/etc/passwd
	grep -q '^_iked:' /etc/group || echo '_iked:x:199:' >>/etc/group
	mkdir -p /run/iked /run/pluto
	if ! [ -s "$bundle/psk-codes" ] && ! [ -s "$bundle/router.pem" ]; then
		sh "$bundle/enrol.sh" "$(cat "$bundle/key-kind")" <"$bundle/code"
	fi
	while read -r code; do echo "$code" | sh "$bundle/psk.sh"; done <"$bundle/psk-codes"
	sh "$bundle/install.sh"
	: >"$bundle/ready"
	exec unshare --net sh "$0" "$daemon" "$tree" "$bundle" "$shim" started
fi

until ip -4 -o address show eth0 2>/dev/null | grep -q inet; do sleep 0.1; done
until [ -e "$bundle/go" ]; do sleep 0.1; done
# UDP port 500, as the kernel tells it. A daemon that has ended will not listen.
listening() {
	until grep -q ':01F4 ' /proc/net/udp; do
		kill -0 $! || { echo "$daemon ended before it listened" && exit 1; }
		sleep 0.1
	done
}
begin() {
	case $daemon in
	strongswan)
		printf 'charon {\n filelog {\n test {\n path = %s\n default = 1\n flush_line = yes\n }\n }\n}\n' \
			"$log" >/etc/strongswan.d/test.conf
		LD_PRELOAD=$shim /usr/lib/ipsec/charon --use-syslog no >"$bundle/out" 2>&1 &
		listening
		until [ -S /run/charon.vici ]; do sleep 0.1; done
		swanctl --load-all
		;;
	libreswan)
		LD_PRELOAD=$shim /usr/libexec/ipsec/pluto --nofork --stderrlog --config /etc/ipsec.conf >"$log" 2>&1 &
		# It loads its connections by itself, and then listens. (4.10 sometimes crashes when it is told to load
		# them once more while it opens them.)
		listening
		;;
	openiked)
		LD_PRELOAD=$shim /usr/sbin/iked -d -v >"$log" 2>&1 &
		listening
		;;
	esac
	: >"$bundle/up"
}
# What `systemctl restart` does, when BUNDLE/restart asks for it.
while :; do
	begin
	until [ -e "$bundle/restart" ]; do
		kill -0 $! || { echo "$daemon ended" && exit 1; }
		sleep 0.1
	done
	rm "$bundle/up" "$bundle/log"
	kill $!
	wait $! || :
	rm -f /run/charon.vici /run/pluto/pluto.ctl /run/pluto/pluto.pid
	rm "$bundle/restart"
done
