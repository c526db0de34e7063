// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/descriptor.h"
#include "store/held.h"

#define SEQUENCE "diskseq"
#define BACKING "loop/backing_file" /* there while something is in the device */

int held_open(int loop, struct problem *problem)
{
	struct stat status;
	char path[48];
	int device = -1;

	if (fstat(loop, &status) == 0) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(status.st_rdev),
			 minor(status.st_rdev));
		/* a link, as everything below /sys/dev */
		device = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (device < 0)
		return problem_set(problem, errno, "cannot find a loop device in /sys: %s",
				   strerror(errno));
	return device;
}

void held_begin(struct held *held, int device)
{
	if (descriptor_read_file(device, SEQUENCE, held->sequence, sizeof(held->sequence)) > 0)
		held->device = device;
}

bool held_still(const struct held *held)
{
	char sequence[HELD_SEQUENCE_SIZE], backing[256];

	return held->device >= 0 &&
	       descriptor_read_file(held->device, SEQUENCE, sequence, sizeof(sequence)) > 0 &&
	       strcmp(sequence, held->sequence) == 0 &&
	       descriptor_read_file(held->device, BACKING, backing, sizeof(backing)) > 0;
}
