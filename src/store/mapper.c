// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/mapper.h"

#define SECTOR 512

/*
 * What udev's rules for device-mapper read from a cookie (libdevmapper.h has them as
 * DM_UDEV_DISABLE_*): no links, no probing, no other rules.
 */
#define UDEV_LEAVE_ALONE (0x1fU << 16)

/* An ioctl's arguments: the head, then what the command wants. */
struct mapper_request {
	struct dm_ioctl head;
	union {
		struct {
			struct dm_target_spec target;
			char parameters[512];
		} table;
		struct dm_target_msg message; /* ends in its text */
		char bytes[1024];
	} body;
};

static void begin(struct mapper_request *request, const char *id)
{
	memset(request, 0, sizeof(*request));
	request->head.version[0] = DM_VERSION_MAJOR;
	request->head.data_size = sizeof(*request);
	request->head.data_start = offsetof(struct mapper_request, body);
	if (id)
		snprintf(request->head.name, sizeof(request->head.name), "privexec-%s", id);
}

static int call(int control, unsigned long command, struct mapper_request *request)
{
	return ioctl(control, command, request) < 0 ? -errno : 0;
}

int mapper_open(void)
{
	int control = open("/dev/mapper/control", O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	return control < 0 ? -errno : control;
}

int mapper_has_crypt(int control)
{
	struct mapper_request request;

	begin(&request, NULL);
	snprintf(request.head.name, sizeof(request.head.name), "crypt");
	return call(control, DM_GET_TARGET_VERSION, &request);
}

static int load(int control, const char *id, uint64_t bytes, const char *target,
		const char *parameters, uint64_t *ret_device)
{
	struct mapper_request request;
	int error;

	begin(&request, id);
	request.head.target_count = 1;
	request.body.table.target.length = bytes / SECTOR;
	snprintf(request.body.table.target.target_type,
		 sizeof(request.body.table.target.target_type), "%s", target);
	snprintf(request.body.table.parameters, sizeof(request.body.table.parameters), "%s",
		 parameters);
	error = call(control, DM_TABLE_LOAD, &request);
	*ret_device = request.head.dev;
	explicit_bzero(&request, sizeof(request));
	return error;
}

/* The kernel's own way to write a device number in 64 bits (huge_encode_dev()). */
static dev_t decode(uint64_t device)
{
	return makedev((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
}

/* Opens the node that devtmpfs has made, if it is the device's. */
static int open_node(dev_t device)
{
	_cleanup_close_ int node = -1;
	struct stat status;
	char path[32];

	snprintf(path, sizeof(path), "/dev/dm-%u", minor(device));
	node = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || fstat(node, &status) < 0)
		return -errno;
	if (!S_ISBLK(status.st_mode) || status.st_rdev != device)
		return -ENXIO;
	return descriptor_take(&node);
}

static int suspend(int control, const char *id, unsigned flags)
{
	struct mapper_request request;

	begin(&request, id);
	request.head.flags = flags;
	request.head.event_nr = UDEV_LEAVE_ALONE;
	return call(control, DM_DEV_SUSPEND, &request);
}

/* Now if nobody has it open, else when the last one closes it. */
static int remove_device(int control, const char *id)
{
	struct mapper_request request;

	begin(&request, id);
	request.head.flags = DM_DEFERRED_REMOVE;
	request.head.event_nr = UDEV_LEAVE_ALONE;
	return call(control, DM_DEV_REMOVE, &request);
}

/* The order: whatever moment this process is killed in, a device that exists is removed. */
static int make(int control, const char *id, uint64_t bytes, const char *target,
		const char *parameters)
{
	struct mapper_request request;
	_cleanup_close_ int node = -1;
	uint64_t device;
	int error;

	begin(&request, id);
	snprintf(request.head.uuid, sizeof(request.head.uuid), "PRIVEXEC-%s", id);
	error = call(control, DM_DEV_CREATE, &request);
	if (error)
		return error;
	error = load(control, id, bytes, target, parameters, &device);
	if (!error) {
		node = open_node(decode(device));
		error = node < 0 ? node : 0;
	}
	/* with the node open this arms the removal by the last user; else it removes */
	if (remove_device(control, id) < 0 && !error)
		error = -EIO;
	if (!error)
		error = suspend(control, id, 0); /* without DM_SUSPEND_FLAG: resumes */
	return error ? error : descriptor_take(&node);
}

int mapper_create(int control, const char *id, uint64_t bytes, const char *target,
		  const char *parameters, struct problem *problem)
{
	int node = make(control, id, bytes, target, parameters);

	if (node < 0)
		return problem_set(
			problem, -node,
			"cannot make a device-mapper device (%s): %s; is devtmpfs mounted "
			"on /dev?",
			target, strerror(-node));
	return node;
}

/* Is there a device of the session's? One of that name may be somebody else's. Its size, 0 if it
 * has no table yet. */
static bool look_up(int control, const char *id, uint64_t *ret_bytes)
{
	struct mapper_request request;
	char uuid[sizeof(request.head.uuid)];

	begin(&request, id);
	request.head.flags = DM_STATUS_TABLE_FLAG;
	snprintf(uuid, sizeof(uuid), "PRIVEXEC-%s", id);
	if (call(control, DM_TABLE_STATUS, &request) < 0 || strcmp(request.head.uuid, uuid) != 0)
		return false;
	*ret_bytes = request.head.target_count == 1 ? request.body.table.target.length * SECTOR : 0;
	return true;
}

static void wipe_key(int control, const char *id)
{
	struct mapper_request request;

	begin(&request, id);
	snprintf(request.body.bytes + offsetof(struct dm_target_msg, message), 64, "key wipe");
	call(control, DM_TARGET_MSG, &request);
}

/* The last words of a dying file system are swallowed by "zero"; "error" would log each of them. */
static bool load_nothing(int control, const char *id, uint64_t bytes)
{
	uint64_t device;

	return load(control, id, bytes, "zero", "", &device) == 0 ||
	       load(control, id, bytes, "error", "", &device) == 0;
}

void mapper_end(int control, const char *id)
{
	uint64_t bytes;

	if (!look_up(control, id, &bytes))
		return;
	/*
	 * A device that is only half made has no live table; removing it is enough. What is still
	 * on its way into the device is not waited for, and a wiped device must not stay suspended:
	 * whoever pins the file system would hang in it for good.
	 */
	if (bytes > 0 && load_nothing(control, id, bytes)) {
		suspend(control, id, DM_SUSPEND_FLAG | DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
		wipe_key(control, id);
		suspend(control, id, 0);
	}
	remove_device(control, id);
}

void mapper_sweep(const char *id)
{
	_cleanup_close_ int control = mapper_open();

	if (control >= 0)
		mapper_end(control, id);
}
