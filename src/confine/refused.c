// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/fscrypt.h>
#include <linux/net.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "confine/refused.h"

/*
 * Why it is these errors. Programs ask for much that a kernel may lack, and go on without it when
 * they are told in the words they know:
 *
 * - ENOSYS where a kernel can be built without the call. Container runtimes go on without a session
 *   keyring at ENOSYS and at nothing else; event loops without io_uring.
 * - EAFNOSUPPORT for a family of sockets, EPROTONOSUPPORT for a protocol of netlink, as from a
 *   kernel without them. useradd, su, sshd and dbus-daemon take the latter for a kernel without
 *   auditing; at EPERM they give up.
 * - EPERM where that is the kernel's own answer to a caller without privilege.
 *
 * Never a signal: the kernel logs who was killed by a filter, by name, and logs reach disks.
 *
 * Calls that take a capability which nobody in a session has are listed all the same where they act
 * on the machine as a whole: that one check of the kernel's fails must not be enough.
 */
#define ALWAYS(name, number)                      \
	{                                         \
		.call = (name), .error = (number) \
	}
#define WHERE(name, number, ...)                                                                 \
	{                                                                                        \
		.call = (name), .error = (number), .comparisons = 1, .compared = { __VA_ARGS__ } \
	}

/* The kernel takes these arguments to be of 32 bits, whatever is above them. */
#define LOW_HALF 0xffffffffU

/* Not in the headers of every libc without its extensions. */
#ifndef F_SET_RW_HINT
#define F_SET_RW_HINT 1036
#endif

/*
 * Families that reach past the network namespace, as vsock does to a machine's host and guests, or
 * that nobody has looked at: packets, Bluetooth, the kernel's cryptography, ... A family with
 * something in its upper half counts as one above all others.
 */
#define FAMILY(number)                                                 \
	WHERE("socket", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_EQ, (number))), \
		WHERE("socketpair", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_EQ, (number)))

const struct refused refused[] = {
	/* The user's keys are shared by all of the user's processes. */
	ALWAYS("add_key", ENOSYS),
	ALWAYS("request_key", ENOSYS),
	ALWAYS("keyctl", ENOSYS),

	/* It makes calls that no filter sees: IORING_OP_SOCKET opens any family. */
	ALWAYS("io_uring_setup", ENOSYS),
	ALWAYS("io_uring_enter", ENOSYS),
	ALWAYS("io_uring_register", ENOSYS),

	/* Programs in the kernel, and what looks at, holds up or replaces the kernel. */
	ALWAYS("bpf", EPERM),
	ALWAYS("perf_event_open", EPERM),
	ALWAYS("userfaultfd", EPERM),
	ALWAYS("kexec_load", EPERM),
	ALWAYS("kexec_file_load", EPERM),
	ALWAYS("init_module", EPERM),
	ALWAYS("finit_module", EPERM),
	ALWAYS("delete_module", EPERM),

	/*
	 * Opens a file or a namespace of which there is no path in the session. Since Linux 6.12
	 * root of a nested user namespace may. name_to_handle_at(2) stays: it tells mounts apart.
	 */
	ALWAYS("open_by_handle_at", EPERM),

	/* Places on the machine's disks. */
	ALWAYS("swapon", EPERM),
	ALWAYS("swapoff", EPERM),
	ALWAYS("acct", EPERM),
	ALWAYS("quotactl", EPERM),
	ALWAYS("quotactl_fd", EPERM),

	/* i386 opens sockets by this call too, with arguments in memory, where no filter sees them.
	 */
	WHERE("socketcall", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_EQ, SYS_SOCKET)),
	WHERE("socketcall", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_EQ, SYS_SOCKETPAIR)),

	/* All but AF_UNIX (1), AF_INET (2), AF_INET6 (10) and AF_NETLINK (16). */
	FAMILY(0),
	FAMILY(3),
	FAMILY(4),
	FAMILY(5),
	FAMILY(6),
	FAMILY(7),
	FAMILY(8),
	FAMILY(9),
	FAMILY(11),
	FAMILY(12),
	FAMILY(13),
	FAMILY(14),
	FAMILY(15),
	WHERE("socket", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_GE, AF_NETLINK + 1)),
	WHERE("socketpair", EAFNOSUPPORT, SCMP_A0(SCMP_CMP_GE, AF_NETLINK + 1)),

	/* Of netlink only routing, 0: it tells what addresses there are, and carries nothing from
	 * one user to another, as others do. */
	{
		.call = "socket",
		.error = EPROTONOSUPPORT,
		.comparisons = 2,
		.compared = { SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_NE, 0) },
	},

	/* Types into a terminal, copies from a console; as from a kernel that has the first
	 * switched off (dev.tty.legacy_tiocsti), and from a terminal that is no console. */
	WHERE("ioctl", EIO, SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, TIOCSTI)),
	WHERE("ioctl", ENOTTY, SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, TIOCLINUX)),

	/* What changes neither files nor mounts, and so works in trees that are bound read-only:
	 * keys of a file system's encryption, which all of its users can ask for; and, up to
	 * Linux 6.8, a hint of how long a file's data may live, which all can read. */
	WHERE("ioctl", ENOTTY, SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, FS_IOC_ADD_ENCRYPTION_KEY)),
	WHERE("ioctl", ENOTTY, SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, FS_IOC_REMOVE_ENCRYPTION_KEY)),
	WHERE("fcntl", EINVAL, SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_SET_RW_HINT)),
	WHERE("fcntl64", EINVAL, SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_SET_RW_HINT)),

	/* The limit of core dumps stays at the one value with which none goes to a program either:
	 * confine_forbid_core_dumps(). Programs set it to 0 and give up when they cannot, so it is
	 * said to be done. */
	WHERE("setrlimit", 0, SCMP_A0(SCMP_CMP_MASKED_EQ, LOW_HALF, RLIMIT_CORE)),
	{
		.call = "prlimit64",
		.error = 0,
		.comparisons = 2,
		.compared = { SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, RLIMIT_CORE),
			      SCMP_A2(SCMP_CMP_NE, 0) },
	},
};

/*
 * What is not here, since it is closed by construction: mounting, entering namespaces and changing
 * the root, which nested sandboxes need, act on the session's own alone; tracing, reading and
 * signalling processes, which are named by numbers of the session's own process namespace.
 */
const size_t refused_count = sizeof(refused) / sizeof(*refused);
