# A client's program from an unpacked tree, in a mount namespace of its own.
#   unshare --mount sh client.sh TREE PROGRAM ARGUMENTS…
# The programs find their plugins and settings below /usr and /etc only.
set -eu
tree=$1
shift
mount -t tmpfs tmpfs /run
mount -t overlay overlay -o "lowerdir=$tree/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$tree/etc:/etc" /etc
LD_LIBRARY_PATH=$tree/usr/lib/ipsec exec "$@"
