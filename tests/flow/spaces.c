// SPDX-License-Identifier: GPL-2.0-or-later
/* Namespaces: one's own, others', and mounts in them. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "flow.h"

#define STEPS_IN_A_SPACE 40

static void write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);

	if (file < 0)
		return;
	if (write(file, text, strlen(text)) < 0)
		errno = 0;
	close(file);
}

/*
 * What mounts it makes are seen by nobody else. Not for root in its first user namespace: it could
 * take the stage's own mounts away, and so come to the real machine's directories. In another one
 * the kernel does not let it.
 */
static void claim_mounts(struct flow *flow)
{
	flow->own_mounts =
		flow->own_users && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int enter_new(struct flow *flow)
{
	static const int spaces[] = { CLONE_NEWNS,  CLONE_NEWNET, CLONE_NEWIPC,
				      CLONE_NEWPID, CLONE_NEWUTS, CLONE_NEWCGROUP };
	int chosen = draw(flow, 4) ? CLONE_NEWUSER : 0;
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++)
		if (draw(flow, 2))
			chosen |= spaces[i];
	if (unshare(chosen) < 0)
		return -errno;
	if (chosen & CLONE_NEWUSER) {
		flow->own_users = true;
		write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "%u %u 1", draw(flow, 2) ? 0 : uid, uid);
		write_text("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "%u %u 1", draw(flow, 2) ? 0 : gid, gid);
		write_text("/proc/self/gid_map", map);
	}
	if (chosen & CLONE_NEWNS)
		claim_mounts(flow);
	return 0;
}

static int space_make(struct flow *flow)
{
	return flow_nest(flow, enter_new, STEPS_IN_A_SPACE);
}

static pid_t space_of(struct flow *flow)
{
	/* in the order of /proc, which a session's own shows too */
	return flow->scene.collector_count && draw(flow, 2)
		       ? flow->scene.collectors[draw(flow, flow->scene.collector_count)]
		       : flow->scene.stage + 1 + (pid_t)draw(flow, 64);
}

/*
 * Into the spaces of another process. Not as one that may mount there: what it did would stay. The
 * stage is in spaces of its own for this too (tests/flow/stage.py).
 */
static int enter_other(struct flow *flow)
{
	static const char *const names[] = { "user", "mnt", "net", "ipc", "uts" };
	pid_t pid = space_of(flow);
	int entered = 0;

	flow->own_mounts = false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[64];
		int space;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		space = open(path, O_RDONLY | O_CLOEXEC);
		if (space < 0)
			continue;
		entered += setns(space, 0) == 0;
		close(space);
	}
	return entered ? 0 : -EPERM;
}

static int space_enter(struct flow *flow)
{
	return flow_nest(flow, enter_other, STEPS_IN_A_SPACE);
}

static int mount_new(struct flow *flow)
{
	static const char *const types[] = { "tmpfs", "proc", "sysfs", "mqueue", "devpts" };
	static const char *const places[] = { "/proc", "/sys", "/dev/mqueue", "/dev/pts" };
	const struct scene *scene = &flow->scene;
	unsigned type = draw(flow, 5);
	char source[CANARY_SIZE + 1] = { 0 };
	const char *place = type == 0 || draw(flow, 2)
				    ? scene->directories[draw(flow, scene->directory_count)]
				    : places[type - 1];

	payload(flow, source, sizeof(source) - 1); /* mountinfo shows it */
	return mount(source, place, types[type], 0, type == 0 ? "size=1m" : NULL) < 0 ? -errno : 0;
}

static int mount_bind(struct flow *flow)
{
	const struct scene *scene = &flow->scene;
	const char *from = scene->directories[draw(flow, scene->directory_count)];
	const char *to = scene->directories[draw(flow, scene->directory_count)];

	return mount(from, to, NULL, MS_BIND | (draw(flow, 2) ? MS_REC : 0), NULL) < 0 ? -errno : 0;
}

static int mount_overlay(struct flow *flow)
{
	const struct scene *scene = &flow->scene;
	const char *place = scene->directories[draw(flow, scene->directory_count)];
	char options[512];

	if (mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") < 0)
		return -errno;
	mkdir("/dev/shm/upper", 0777);
	mkdir("/dev/shm/work", 0777);
	snprintf(options, sizeof(options),
		 "lowerdir=%s,upperdir=/dev/shm/upper,workdir=/dev/shm/work", place);
	return mount("overlay", place, "overlay", 0, options) < 0 ? -errno : 0;
}

/* Uncovers what lies below, where it may. */
static int mount_remove(struct flow *flow)
{
	static const char *const places[] = { "/proc",	  "/sys", "/dev/mqueue",
					      "/dev/pts", "/dev", "/run/privexec",
					      "/" };
	const struct scene *scene = &flow->scene;
	const char *place = draw(flow, 2) ? places[draw(flow, 7)]
					  : scene->directories[draw(flow, scene->directory_count)];

	return umount2(place, MNT_DETACH) < 0 ? -errno : 0;
}

static int mount_again(struct flow *flow)
{
	const struct scene *scene = &flow->scene;
	const char *place = scene->directories[draw(flow, scene->directory_count)];

	if (draw(flow, 2))
		return mount(NULL, draw(flow, 2) ? "/" : place, NULL, MS_REMOUNT | MS_BIND, NULL) <
				       0
			       ? -errno
			       : 0;
	return mount(NULL, "/", NULL, MS_REC | (draw(flow, 2) ? MS_SHARED : MS_SLAVE), NULL) < 0
		       ? -errno
		       : 0;
}

static int root_change(struct flow *flow)
{
	const struct scene *scene = &flow->scene;
	const char *place = scene->directories[draw(flow, scene->directory_count)];

	if (draw(flow, 2) && syscall(SYS_pivot_root, place, place) < 0)
		return -errno;
	if (chroot(draw(flow, 2) ? place : ".") < 0)
		return -errno;
	return chdir("../../../../../..") < 0 ? -errno : 0;
}

const struct call space_calls[] = {
	{ "unshare", KIND_SPACE, 3, NESTS, space_make },
	{ "setns", KIND_SPACE, 2, NESTS | LOOKS_IN, space_enter },
	{ "mount", KIND_SPACE, 20, MOUNTS, mount_new },
	{ "mount MS_BIND", KIND_SPACE, 20, MOUNTS, mount_bind },
	{ "mount overlay", KIND_SPACE, 10, MOUNTS, mount_overlay },
	{ "umount2", KIND_SPACE, 20, MOUNTS, mount_remove },
	{ "mount MS_REMOUNT, MS_SHARED", KIND_SPACE, 10, MOUNTS, mount_again },
	{ "pivot_root, chroot", KIND_SPACE, 10, MOUNTS, root_change },
	{ 0 },
};
