// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "swap/swap.h"

bool swap_active(int watch)
{
	char text[256];
	ssize_t length = pread(watch, text, sizeof(text), 0);
	const char *end = length > 0 ? memchr(text, '\n', (size_t)length) : NULL;

	if (length == 0)
		return false; /* a kernel without swap prints nothing at all */
	return !end || end + 1 < text + length;
}

/* Tried even where no swap is active, so that a device added later does no harm. */
static bool cgroup_swaps_nothing(int cgroup)
{
	return cgroup >= 0 && descriptor_write_file(cgroup, "memory.swap.max", "0") == 0;
}

int swap_assure(int cgroup, struct swap *ret_swap, struct problem *problem)
{
	int watch = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
	int error = watch < 0 ? errno : 0;
	bool limited = cgroup_swaps_nothing(cgroup);

	*ret_swap = SWAP_NONE;
	ret_swap->limited = limited;
	if (watch < 0 && error != ENOENT)
		return problem_set(problem, error, "cannot read /proc/swaps: %s", strerror(error));
	if (watch < 0) {
		ret_swap->word = "never (kernel without swap)";
	} else if (!swap_active(watch)) {
		ret_swap->word = "never (no swap active)";
		ret_swap->watch = limited ? -1 : descriptor_take(&watch);
	} else if (limited) {
		ret_swap->word = "never (memory.swap.max=0)";
	} else {
		descriptor_close(&watch);
		return problem_set(
			problem, EOPNOTSUPP,
			"swap is active and this machine's cgroups cannot keep the session "
			"from it; switch swap off (swapoff -a), or boot with the memory "
			"controller in cgroup v2");
	}
	descriptor_close(&watch);
	return 0;
}

void swap_close(struct swap *swap)
{
	descriptor_close(&swap->watch);
}
