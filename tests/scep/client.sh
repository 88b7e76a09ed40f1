# A client's program from an unpacked tree, in a mount namespace of its own.
#   unshare --mount sh client.sh TREE HOSTS PROGRAM ARGUMENTS…
# The programs find their plugins and settings below /usr and /etc only; HOSTS takes the place of /etc/hosts.
set -eu
tree=$1
hosts=$2
shift 2
mount -t tmpfs tmpfs /run
mount -t overlay overlay -o "lowerdir=$tree/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$tree/etc:/etc" /etc
mount --bind "$hosts" /etc/hosts
LD_LIBRARY_PATH=$tree/usr/lib/ipsec exec "$@"
