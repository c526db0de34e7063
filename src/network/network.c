// SPDX-License-Identifier: GPL-2.0-or-later
/* The keeper's side of the private network, and the session's. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "confine/idmap.h"
#include "control/channel.h"
#include "network/network.h"
#include "network/pasta.h"

#define NAMESPACE_MILLISECONDS 5000

/*
 * pasta's group in root's sessions, as unused as AUTHORITY_SHIFTED, but low enough to be among
 * those that may ping: 2147483647 is the highest which can be said in ping_group_range. The
 * session's own group is AUTHORITY_SHIFTED. It cannot be said on the host, but is, as group 1,
 * where it is mapped.
 */
#define PASTA_GROUP 2147418112U

#define TUN_DEVICE "/dev/net/tun"
#define TUN_NUMBER makedev(10, 200)

const unsigned long network_clone_flags = CLONE_NEWUSER | CLONE_NEWPID;

int network_start(const struct network *network, pid_t pid, const struct authority *authority,
		  struct problem *problem)
{
	/* one user: pasta takes itself for root of its namespace, and is nobody beyond it */
	bool root = authority->uid == 0;
	char users[32], groups[64];
	int error;

	snprintf(users, sizeof(users), "0 %u 1\n", root ? AUTHORITY_SHIFTED : authority->uid);
	if (root)
		snprintf(groups, sizeof(groups), "0 %u 1\n1 %u 1\n", PASTA_GROUP,
			 AUTHORITY_SHIFTED);
	else
		snprintf(groups, sizeof(groups), "0 %u 1\n", authority->gid);
	error = idmap_write(pid, users, groups, problem);
	if (!error)
		error = channel_send(network->channel, "g", 1, NULL, 0);
	if (error)
		return problem_set(problem, -error, "cannot start the private network: %s",
				   strerror(-error));
	return 0;
}

/* Waits for a packet. Its length, 0 when the other end is gone, or a negative errno. */
static ssize_t receive(int channel, int milliseconds, char *packet, size_t size,
		       int *ret_descriptor)
{
	struct pollfd readable = { .fd = channel, .events = POLLIN };
	size_t count = ret_descriptor ? 1 : 0;
	int ready;

	do {
		ready = poll(&readable, 1, milliseconds);
	} while (ready < 0 && errno == EINTR);
	if (ready < 1)
		return ready < 0 ? -errno : -ETIMEDOUT;
	return channel_receive(channel, packet, size, ret_descriptor, &count);
}

static int take_namespace(const struct network *network, struct problem *problem)
{
	char packet[1 + NETWORK_TEXT_MAX];
	int namespace = -1;
	ssize_t length = receive(network->channel, NAMESPACE_MILLISECONDS, packet, sizeof(packet),
				 &namespace);

	if (length == 1 && packet[0] == NETWORK_NAMESPACE && namespace >= 0)
		return namespace;
	if (length > 1 && packet[0] == NETWORK_FAILED)
		return problem_set(problem, EIO, "cannot make a private network: %.*s",
				   (int)length - 1, packet + 1);
	return problem_set(problem, length == -ETIMEDOUT ? ETIMEDOUT : EIO,
			   "cannot make a private network: %s; --net=none needs none",
			   length == -ETIMEDOUT ? "it took more than five seconds"
						: "its first process ended");
}

int network_hear(const struct network *network, int milliseconds,
		 char ret_text[NETWORK_TEXT_MAX + 1])
{
	char packet[1 + NETWORK_TEXT_MAX];
	ssize_t length = receive(network->channel, milliseconds, packet, sizeof(packet), NULL);

	ret_text[0] = '\0';
	if (length == -ETIMEDOUT)
		return -ETIMEDOUT;
	if (length <= 0)
		return 0;
	memcpy(ret_text, packet + 1, (size_t)length - 1);
	ret_text[length - 1] = '\0';
	return packet[0];
}

int network_enter(const struct network *network, uid_t uid, bool shifted, struct problem *problem)
{
	_cleanup_close_ int namespace = take_namespace(network, problem);

	if (namespace < 0)
		return namespace;
	if (setns(namespace, CLONE_NEWNET) < 0)
		return problem_set(problem, errno, "cannot enter the private network: %s",
				   strerror(errno));
	/* without them a direct run can do what the session cannot; it goes on all the same where
	 * /proc/sys is read-only */
	if (!shifted) /* else the one group that can be said is that of the helpers */
		descriptor_write_file(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range",
				      "0 2147483647");
	if (uid == 0)
		descriptor_write_file(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start",
				      "0");
	return 0;
}

int network_probe(struct problem *problem)
{
	_cleanup_close_ int policies = -1;
	struct stat status;
	int error = pasta_find(problem);

	if (error)
		return error;
	if (stat(TUN_DEVICE, &status) < 0 || !S_ISCHR(status.st_mode) ||
	    status.st_rdev != TUN_NUMBER)
		return problem_set(problem, ENODEV,
				   "there is no " TUN_DEVICE "; the kernel needs CONFIG_TUN "
				   "(modprobe tun)");
	/* as udev leaves it; an interface can be made by it only in a namespace of one's own */
	if ((status.st_mode & (S_IROTH | S_IWOTH)) != (S_IROTH | S_IWOTH))
		return problem_set(problem, EACCES,
				   "users may not open " TUN_DEVICE "; chmod 666 " TUN_DEVICE);
	policies = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
	if (policies < 0)
		return problem_set(problem, errno,
				   "the kernel takes no policies; it needs CONFIG_XFRM_USER "
				   "(modprobe xfrm_user)");
	return 0;
}
