// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/loop.h"

/* Others may take the device that was free a moment ago, a hundred sessions at once among them. */
#define ATTEMPTS 1000

static int configure(int device, int file, bool direct)
{
	struct loop_config config = {
		.fd = (uint32_t)file,
		.block_size = 4096,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct ? LO_FLAGS_DIRECT_IO : 0),
	};

	return ioctl(device, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

static int attach_next(int control, int file, bool direct)
{
	_cleanup_close_ int device = -1;
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	char path[32];
	int error;

	if (number < 0)
		return -errno;
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	device = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (device < 0)
		return -errno;
	error = configure(device, file, direct);
	/* a file system that cannot be read past the page cache */
	if (error == -EINVAL && direct)
		error = configure(device, file, false);
	return error ? error : descriptor_take(&device);
}

int loop_attach(int file, bool direct, struct problem *problem)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int device = control < 0 ? -errno : -EBUSY;

	for (int attempt = 0; attempt < ATTEMPTS && device == -EBUSY; attempt++)
		device = attach_next(control, file, direct);
	if (device < 0)
		return problem_set(problem, -device,
				   "cannot set up a loop device: %s; does the kernel have the loop "
				   "driver, and /dev its nodes?",
				   strerror(-device));
	return device;
}
