// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "confine/capability.h"
#include "store/empty.h"
#include "store/end.h"
#include "store/ext4.h"
#include "store/mapper.h"

uint64_t store_end_capabilities(enum store_choice kind)
{
	if (kind == STORE_MEMORY)
		return CAPABILITY_BIT(CAP_DAC_OVERRIDE) | CAPABILITY_BIT(CAP_FOWNER) |
		       CAPABILITY_BIT(CAP_DAC_READ_SEARCH);
	return CAPABILITY_BIT(CAP_SYS_ADMIN);
}

const unsigned store_end_ioctls[] = {
	EXT4_IOC_SHUTDOWN, DM_TABLE_STATUS, DM_TABLE_LOAD, DM_DEV_SUSPEND,
	BLKFLSBUF,	   DM_TARGET_MSG,   DM_DEV_REMOVE, 0,
};

/*
 * Has the kernel drop what it has read of @device: names, above all. What was to be written yet
 * goes first, into a device that holds nothing by now, or into a file that nobody will read.
 */
static void forget(int device)
{
	if (device < 0)
		return;
	/* no fsync(2): it would have everything below encrypted and on the disk first, for seconds
	 */
	sync_file_range(device, 0, 0,
			SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				SYNC_FILE_RANGE_WAIT_AFTER);
	ioctl(device, BLKFLSBUF, 0);
}

void store_end(const struct store_remains *remains, const char *id)
{
	int inner = remains->held[REMAINS_INNER];

	if (inner >= 0 && remains->kind == STORE_MEMORY)
		store_empty(inner);
	else if (inner >= 0)
		ext4_shut_down(inner);
	if (remains->mapper >= 0)
		mapper_end(remains->mapper, id);
	forget(remains->held[REMAINS_DEVICE]);
}

void store_let_go(struct store_remains *remains)
{
	descriptor_close(&remains->held[REMAINS_DEVICE]);
	descriptor_close(&remains->held[REMAINS_INNER]);
	descriptor_close(&remains->mapper);
}

void store_end_outer(struct store_remains *remains)
{
	if (remains->held[REMAINS_OUTER] >= 0)
		ext4_shut_down(remains->held[REMAINS_OUTER]);
	while (remains->held[REMAINS_BACKING] >= 0 &&
	       ftruncate(remains->held[REMAINS_BACKING], 0) < 0 && errno == EINTR)
		;
	descriptor_close(&remains->held[REMAINS_BACKING]);
	descriptor_close(&remains->held[REMAINS_OUTER]);
	descriptor_close(&remains->held[REMAINS_BALLOON]);
}
