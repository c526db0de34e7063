// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "authority/authority.h"
#include "base/cleanup.h"
#include "base/filesystem.h"
#include "base/problem.h"
#include "cgroup/cgroup.h"
#include "confine/scopes.h"
#include "network/guard.h"
#include "network/network.h"
#include "probe/probe.h"
#include "store/backing.h"
#include "store/key.h"
#include "store/mapper.h"

__attribute__((format(printf, 2, 3))) static void unmet(struct probe *probe, const char *format,
							...)
{
	va_list arguments;

	probe->met = false;
	va_start(arguments, format);
	vsnprintf(probe->reason, sizeof(probe->reason), format, arguments);
	va_end(arguments);
}

static void probe_disk(const char *path, struct probes *probes)
{
	struct probe *probe = &probes->words[PROBE_DISK];
	struct problem problem = { 0 };
	_cleanup_close_ int directory = backing_open_directory(path, &problem);
	struct rlimit limit;
	int error = directory < 0 ? directory : filesystem_room(directory, &probes->disk_free);

	if (error)
		unmet(probe, "%.200s", problem.text[0] ? problem.text : strerror(-error));
	else if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		unmet(probe, "file sizes are limited for this user (ulimit -Hf unlimited)");
	else
		probe->met = true;
}

static void probe_dm_crypt(struct probe *probe)
{
	struct problem problem = { 0 };
	_cleanup_close_ int control = mapper_open();
	char name[16];
	struct key key;
	int error = control < 0 ? control : mapper_has_crypt(control);

	if (error) {
		unmet(probe,
		      "device-mapper with dm-crypt is not to be had: %s; the kernel needs "
		      "CONFIG_DM_CRYPT, /dev its node mapper/control",
		      strerror(-error));
		return;
	}
	snprintf(name, sizeof(name), "probe-%d", getpid());
	error = key_make(name, &key, &problem);
	if (error) {
		unmet(probe, "%.200s", problem.text);
		return;
	}
	key_destroy(&key);
	probe->met = true;
}

static void probe_fscrypt(struct probe *probe)
{
	if (access("/dev/loop-control", F_OK) < 0)
		unmet(probe, "there are no loop devices: the kernel needs the loop driver, and "
			     "/dev its nodes");
	else if (access("/sys/fs/ext4/features/encryption", F_OK) < 0)
		unmet(probe, "ext4 has no encryption: the kernel needs CONFIG_FS_ENCRYPTION "
			     "(modprobe ext4 where it is a module)");
	else
		probe->met = true;
}

int probe_open_secret(void)
{
	int secret = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	return secret < 0 ? -errno : secret;
}

static void probe_hibernation(struct probe *probe)
{
	_cleanup_close_ int secret = probe_open_secret();

	probe->met = secret >= 0;
	if (secret < 0)
		unmet(probe,
		      "memfd_secret is off: %s; boot with secretmem.enable=1, or mask "
		      "hibernate.target",
		      strerror(-secret));
}

/* The last one counts, as for the kernel. */
static void probe_scrub(struct probe *probe)
{
	char line[4096], *rest = line, *word;

	unmet(probe, "freed memory is not cleared; boot with init_on_free=1");
	if (descriptor_read_file(AT_FDCWD, "/proc/cmdline", line, sizeof(line)) <= 0)
		return;
	while ((word = strsep(&rest, " \n")))
		if (strncmp(word, "init_on_free=", 13) == 0)
			probe->met = word[13] == '1' || word[13] == 'y' || word[13] == 'Y' ||
				     strcmp(word + 13, "on") == 0;
}

void probe_stores(const char *directory, struct probes *probes)
{
	probe_disk(directory, probes);
	probe_dm_crypt(&probes->words[PROBE_DM_CRYPT]);
	probe_fscrypt(&probes->words[PROBE_FSCRYPT]);
}

void probe_network(struct probes *probes)
{
	struct probe *probe = &probes->words[PROBE_NETWORK];
	struct problem problem = { 0 };

	probe->met = network_probe(&problem) == 0;
	if (!probe->met)
		unmet(probe, "%.200s", problem.text);
}

enum core_target probe_core(void)
{
	char pattern[256];
	ssize_t length = descriptor_read_file(AT_FDCWD, "/proc/sys/kernel/core_pattern", pattern,
					      sizeof(pattern));

	/* one that cannot be read is taken for the worst */
	if (length < 0 && length != -ENOENT)
		return CORE_SOCKET;
	return length > 0 && pattern[0] == '|'	 ? CORE_PROGRAM
	       : length > 0 && pattern[0] == '@' ? CORE_SOCKET
						 : CORE_FILE;
}

void probe_guard(const struct mount_table *mounts, const struct authority *authority, bool network,
		 struct guard_loader *loader, struct guard *ret_guard, struct probes *probes)
{
	struct probe *probe = &probes->words[PROBE_GUARD];
	struct problem problem = { 0 };
	_cleanup_close_ int root = -1;

	guard_init(ret_guard);
	cgroup_open_root(mounts, &root);
	probe->met = false;
	if (root < 0)
		unmet(probe, "no cgroup2 is mounted; mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	else if (!cgroup_root_is_whole(root))
		unmet(probe,
		      "this is a container, with cgroups of its own; start privexec outside");
	else if (!authority->spare)
		unmet(probe, "the keeper has no cap_net_admin; install it again with `make "
			     "install`");
	else if (!network)
		unmet(probe, "nobody has looked");
	else if (guard_finish(loader, ret_guard, &problem) < 0)
		unmet(probe, "%.200s", problem.text);
	else
		probe->met = true;
	guard_abandon(loader);
	if (root >= 0 && !probe->met)
		guard_load(false, ret_guard, &problem);
}

void probe_machine(struct probes *ret_probes)
{
	*ret_probes = (struct probes){ 0 };
	for (enum probe_word word = 0; word < PROBE_WORDS; word++)
		unmet(&ret_probes->words[word], "nobody has looked");
	probe_hibernation(&ret_probes->words[PROBE_NO_HIBERNATION]);
	probe_scrub(&ret_probes->words[PROBE_RAM_SCRUB]);
	ret_probes->scopes = scopes_available();
	ret_probes->core = probe_core();
}
