// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dm-crypt store: everything below the file system is encrypted under a key that the kernel
 * made and that is only ever named.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "store/disk.h"
#include "store/ext4.h"
#include "store/key.h"
#include "store/loop.h"
#include "store/mapper.h"

/*
 * No workqueues: a session's reads and writes are encrypted where they are made. There must be no
 * "allow_discards": it would give back blocks that were reserved.
 */
static int make_device(const struct store_disk *disk, int control, uint64_t bytes, int loop,
		       struct problem *problem)
{
	struct stat status;
	struct key key;
	char parameters[256];
	int device, error;

	if (fstat(loop, &status) < 0)
		return problem_set(problem, errno, "cannot look at a loop device");
	error = key_make(disk->id, &key, problem);
	if (error)
		return error;
	snprintf(parameters, sizeof(parameters),
		 "aes-xts-plain64 :%d:encrypted:%s 0 %u:%u 0 3 no_read_workqueue "
		 "no_write_workqueue sector_size:4096",
		 KEY_BYTES, key.description, major(status.st_rdev), minor(status.st_rdev));
	device = mapper_create(control, disk->id, bytes, "crypt", parameters, problem);
	key_destroy(&key);
	return device;
}

/*
 * The template is written through the device, whose backing file the kernel writes with root's
 * rights: the blocks are reserved before, by the user. Its bitmaps, a bit for each block twice, are
 * nearly all of it.
 */
static int reserve_template(const struct store_disk *disk, const struct template *template,
			    int file, struct problem *problem)
{
	return space_reserve_first(disk->authority, file, template->bytes / (4096 * 4) + (2 << 20),
				   problem);
}

int store_prepare_dmcrypt(const struct store_disk *disk, struct store *store,
			  struct problem *problem)
{
	const struct template *template = disk_template(disk->size, problem);
	_cleanup_close_ int file = -1, loop = -1, device = -1;
	int error;

	if (!template)
		return -EFBIG;
	file = disk_make_file(disk, template, problem);
	if (file < 0)
		return file;
	error = reserve_template(disk, template, file, problem);
	if (error)
		return error;
	loop = loop_attach(file, true, problem);
	if (loop < 0)
		return loop;
	/* which holds the loop device from now on */
	device = make_device(disk, store->mapper, template->bytes, loop, problem);
	if (device < 0)
		return device;
	error = disk_write_template(disk, template, device, problem);
	if (!error)
		error = ext4_mount(device, &store->mount, &store->directory, problem);
	if (!error)
		error = space_add_level(&store->space, disk->authority, file, store->directory,
					template->bytes, problem);
	store->block = descriptor_take(&device);
	if (error)
		return error;
	store->kind = STORE_DM_CRYPT;
	disk_limit(store, template, disk->size);
	return 0;
}
