// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/capability.h>
#include <linux/dm-ioctl.h>

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
	EXT4_IOC_SHUTDOWN,
	DM_TABLE_STATUS,
	DM_TABLE_LOAD,
	DM_DEV_SUSPEND,
	DM_TARGET_MSG,
	DM_DEV_REMOVE,
	0,
};

void store_end(const struct store_remains *remains, const char *id)
{
	for (int i = 0; i < STORE_REMAINS_MAX; i++) {
		if (remains->directories[i] < 0)
			continue;
		if (remains->kind == STORE_MEMORY)
			store_empty(remains->directories[i]);
		else
			ext4_shut_down(remains->directories[i]);
	}
	if (remains->mapper >= 0)
		mapper_end(remains->mapper, id);
}
