// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "confine/capability.h"
#include "confine/confine.h"

/*
 * What root keeps in its session: enough for package managers, useradd and su, nothing that reaches
 * beyond the session's own user namespace. All of it also lies in the bounding set.
 */
static const int root_keeps[] = {
	CAP_CHOWN,	CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,  CAP_FSETID,
	CAP_KILL,	CAP_SETGID,	  CAP_SETUID,	       CAP_SETPCAP, CAP_NET_BIND_SERVICE,
	CAP_SYS_CHROOT, CAP_SETFCAP,
};

int confine_enter_namespaces(const struct confinement *confinement,
			     const struct authority *authority, struct problem *problem)
{
	int failed = 0;

	authority_as_root(authority);
	if (confinement->network_namespace >= 0)
		failed = setns(confinement->network_namespace, CLONE_NEWNET);
	else if (confinement->own_network)
		failed = unshare(CLONE_NEWNET); /* without a loopback: nobody here may raise it */
	if (!failed && confinement->user_namespace >= 0)
		failed = setns(confinement->user_namespace, CLONE_NEWUSER);
	if (failed)
		return problem_set(problem, errno, "cannot close the session by a namespace: %s",
				   strerror(errno));
	return 0;
}

int confine_raise_loopback(struct problem *problem)
{
	_cleanup_close_ int inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (inet < 0 || ioctl(inet, SIOCSIFFLAGS, &request) < 0)
		return problem_set(problem, errno, "cannot bring up the session's loopback: %s",
				   strerror(errno));
	return 0;
}

/* The session keyring of the login is shared with all its other programs: have one of our own. */
static int leave_keyring(struct problem *problem)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS)
		return 0;
	return problem_set(problem, errno, "cannot make a session keyring: %s%s", strerror(errno),
			   errno == EDQUOT ? "; too many keys, raise kernel.keys.maxkeys" : "");
}

int confine_drop(const struct confinement *confinement, struct problem *problem)
{
	uint64_t keep = 0;
	int error = 0;

	for (size_t i = 0; confinement->uid == 0 && i < sizeof(root_keeps) / sizeof(*root_keeps);
	     i++)
		keep |= CAPABILITY_BIT(root_keeps[i]);
	/* without it ping needs a privilege; where the kernel has no such file nothing is lost */
	if (confinement->own_network)
		descriptor_write_file(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range",
				      "0 2147483647");
	if (confinement->closing != CLOSING_NONE)
		error = capability_bound(keep);
	if (!error && (setresgid(confinement->gid, confinement->gid, confinement->gid) < 0 ||
		       setresuid(confinement->uid, confinement->uid, confinement->uid) < 0))
		error = -errno;
	if (confinement->closing == CLOSING_NONE)
		keep = 0; /* they would count on the host */
	if (!error)
		error = capability_set(keep, keep);
	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		error = -errno;
	/* after the last change of credentials, which clears it */
	if (!error && (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0))
		error = -errno;
	if (error)
		return problem_set(problem, -error, "cannot drop privileges: %s", strerror(-error));
	return leave_keyring(problem);
}

int confine_forbid_core_dumps(struct problem *problem)
{
	const struct rlimit one = { 1, 1 }, none = { 0, 0 };
	int error = descriptor_write_file(AT_FDCWD, "/proc/self/coredump_filter", "0");

	/* ENOENT: a kernel that dumps nothing at all */
	if ((error && error != -ENOENT) ||
	    (setrlimit(RLIMIT_CORE, &one) < 0 && setrlimit(RLIMIT_CORE, &none) < 0))
		return problem_set(problem, error ? -error : errno,
				   "cannot forbid core dumps: %s; /proc must be writable",
				   strerror(error ? -error : errno));
	return 0;
}
