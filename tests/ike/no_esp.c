/*
 * Lets IKE daemons finish IKE_AUTH on a kernel that cannot do ESP (INET_ESP) or PF_KEY (NET_KEY).
 *
 * Preloaded into each daemon. Nothing of IKE passes here: authentication, certificates and identities
 * are the daemon's own. What is stood in for is the kernel's "yes" to the keys of a tunnel, so no
 * packet of a tunnel is ever encrypted; a test by this judges IKE_AUTH alone.
 *
 * - XFRM (strongSwan, libreswan): a request to install or delete a security association goes to the kernel as
 *   one to flush those of AH, of which there are none. It says yes. A request to complete the one that an SPI
 *   was reserved with goes there as one to delete it: left incomplete, it would be told as expired soon after.
 * - PF_KEY (OpenIKED): its socket is one that is connected to itself, so that each request is its own
 *   answer, which is what the kernel sends on success. A request for an SPI is given one.
 * - The exception of IKE's own packets from IPsec (IP_IPSEC_POLICY) needs PF_KEY, and has no effect without ESP.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/netlink.h>
#include <linux/pfkeyv2.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef IPV6_IPSEC_POLICY
#define IPV6_IPSEC_POLICY 34
#endif
#ifndef IP_IPSEC_POLICY
#define IP_IPSEC_POLICY 16
#endif

static int has(int fd, int option, int value)
{
	int found;
	socklen_t length = sizeof found;
	return getsockopt(fd, SOL_SOCKET, option, &found, &length) == 0 && found == value;
}

static int is_xfrm(int fd)
{
	return has(fd, SO_DOMAIN, AF_NETLINK) && has(fd, SO_PROTOCOL, NETLINK_XFRM);
}

/* A datagram socket in the local domain that is its own peer: no other is made but below. */
static int is_pfkey(int fd)
{
	struct sockaddr_un own, peer;
	socklen_t own_length = sizeof own, peer_length = sizeof peer;
	return has(fd, SO_DOMAIN, AF_UNIX) && has(fd, SO_TYPE, SOCK_DGRAM)
		&& getsockname(fd, (struct sockaddr *)&own, &own_length) == 0
		&& getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0
		&& own_length > sizeof own.sun_family && own_length == peer_length
		&& memcmp(&own, &peer, own_length) == 0;
}

int socket(int domain, int type, int protocol)
{
	int (*real)(int, int, int) = dlsym(RTLD_NEXT, "socket");
	struct sockaddr_un own = { .sun_family = AF_UNIX };
	socklen_t length = sizeof own;
	if (domain != AF_KEY)
		return real(domain, type, protocol);
	int fd = real(AF_UNIX, SOCK_DGRAM, 0);
	/* Bound to a name that the kernel chooses (autobind, unix(7)), then connected to it. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own.sun_family) != 0
	    || getsockname(fd, (struct sockaddr *)&own, &length) != 0
	    || connect(fd, (struct sockaddr *)&own, length) != 0)
		return -1;
	return fd;
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
	ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");
	struct sadb_msg head;
	struct sadb_sa given = { .sadb_sa_len = sizeof given / 8, .sadb_sa_exttype = SADB_EXT_SA };
	struct iovec more[64];
	if (count < 1 || count >= 63 || pieces[0].iov_len != sizeof head || !is_pfkey(fd))
		return real(fd, pieces, count);
	memcpy(&head, pieces[0].iov_base, sizeof head);
	if (head.sadb_msg_type != SADB_GETSPI)
		return real(fd, pieces, count);
	do {
		if (getrandom(&given.sadb_sa_spi, sizeof given.sadb_sa_spi, 0) != sizeof given.sadb_sa_spi)
			return -1;
	} while (ntohl(given.sadb_sa_spi) < 256); /* reserved, RFC 4303 section 2.1 */
	memcpy(more, pieces, (size_t)count * sizeof *pieces);
	head.sadb_msg_len += given.sadb_sa_len;
	more[0].iov_base = &head;
	more[count].iov_base = &given;
	more[count].iov_len = sizeof given;
	ssize_t written = real(fd, more, count + 1);
	return written < 0 ? written : written - (ssize_t)sizeof given;
}

/* What goes to the kernel instead of a message of one of these kinds. */
struct request {
	struct nlmsghdr head;
	union {
		struct xfrm_usersa_flush flush;
		struct xfrm_usersa_id id;
	};
};

/* Whether another request was written into `to`. */
static int stands_in(int fd, const void *message, size_t size, struct request *to)
{
	const struct nlmsghdr *head = message;
	const struct xfrm_usersa_info *whole = NLMSG_DATA(head);
	if (size < NLMSG_LENGTH(sizeof to->flush) || !is_xfrm(fd))
		return 0;
	memset(to, 0, sizeof *to);
	to->head = *head;
	switch (head->nlmsg_type) {
	case XFRM_MSG_UPDSA:
		if (size < NLMSG_LENGTH(sizeof *whole))
			return 0;
		to->head.nlmsg_type = XFRM_MSG_DELSA;
		to->head.nlmsg_len = NLMSG_LENGTH(sizeof to->id);
		to->id.daddr = whole->id.daddr;
		to->id.spi = whole->id.spi;
		to->id.proto = whole->id.proto;
		to->id.family = whole->family;
		return 1;
	case XFRM_MSG_NEWSA:
	case XFRM_MSG_DELSA:
		to->head.nlmsg_type = XFRM_MSG_FLUSHSA;
		to->head.nlmsg_len = NLMSG_LENGTH(sizeof to->flush);
		to->flush.proto = IPPROTO_AH;
		return 1;
	default:
		return 0;
	}
}

ssize_t write(int fd, const void *message, size_t size)
{
	ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
	struct request instead;
	if (!stands_in(fd, message, size, &instead))
		return real(fd, message, size);
	ssize_t written = real(fd, &instead, instead.head.nlmsg_len);
	return written < 0 ? written : (ssize_t)size;
}

ssize_t send(int fd, const void *message, size_t size, int flags)
{
	ssize_t (*real)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");
	struct request instead;
	if (!stands_in(fd, message, size, &instead))
		return real(fd, message, size, flags);
	ssize_t written = real(fd, &instead, instead.head.nlmsg_len, flags);
	return written < 0 ? written : (ssize_t)size;
}

ssize_t sendto(int fd, const void *message, size_t size, int flags, const struct sockaddr *to,
	       socklen_t length)
{
	ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
		dlsym(RTLD_NEXT, "sendto");
	struct request instead;
	if (!stands_in(fd, message, size, &instead))
		return real(fd, message, size, flags, to, length);
	ssize_t written = real(fd, &instead, instead.head.nlmsg_len, flags, to, length);
	return written < 0 ? written : (ssize_t)size;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	int (*real)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
	if ((level == IPPROTO_IP && option == IP_IPSEC_POLICY)
	    || (level == IPPROTO_IPV6 && option == IPV6_IPSEC_POLICY))
		return 0;
	return real(fd, level, option, value, length);
}
