// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fscrypt store. fscrypt alone leaves sizes, times, extended attributes and the shape of the
 * tree in the clear. So the outer file system holds one encrypted file, and in that file is a
 * second file system, with everything that the session writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fscrypt.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/disk.h"
#include "store/ext4.h"
#include "store/held.h"
#include "store/loop.h"

/* udev/59-privexec.rules knows the backing files of loop devices by this directory. */
#define ENCRYPTED "privexec"

union added_key {
	struct fscrypt_add_key_arg argument; /* ends in the key */
	unsigned char bytes[sizeof(struct fscrypt_add_key_arg) + FSCRYPT_MAX_KEY_SIZE];
};

/*
 * Memory that not even the kernel maps for itself; where that cannot be had, or the user may lock
 * none, ordinary memory: the key is in it for a few microseconds.
 */
static union added_key *open_secret(void)
{
	_cleanup_close_ int secret = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	void *memory = MAP_FAILED;

	if (secret >= 0 && ftruncate(secret, sizeof(union added_key)) == 0)
		memory = mmap(NULL, sizeof(union added_key), PROT_READ | PROT_WRITE, MAP_SHARED,
			      secret, 0);
	if (memory == MAP_FAILED)
		memory = mmap(NULL, sizeof(union added_key), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* Gives the file system of @directory a new random key. It is wiped here before this returns. */
static int add_key(int directory, uint8_t ret_identifier[FSCRYPT_KEY_IDENTIFIER_SIZE])
{
	union added_key *key = open_secret();
	int error = 0;

	if (!key)
		return -ENOMEM;
	key->argument.key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
	key->argument.raw_size = FSCRYPT_MAX_KEY_SIZE;
	if (getrandom(key->argument.raw, FSCRYPT_MAX_KEY_SIZE, 0) != FSCRYPT_MAX_KEY_SIZE ||
	    ioctl(directory, FS_IOC_ADD_ENCRYPTION_KEY, &key->argument) < 0)
		error = -errno;
	explicit_bzero(key->argument.raw, FSCRYPT_MAX_KEY_SIZE);
	memcpy(ret_identifier, key->argument.key_spec.u.identifier, FSCRYPT_KEY_IDENTIFIER_SIZE);
	munmap(key, sizeof(*key));
	return error;
}

/* Makes the directory whose files are encrypted. A descriptor or a negative errno. */
static int make_encrypted(int outer)
{
	struct fscrypt_policy_v2 policy = {
		.version = FSCRYPT_POLICY_V2,
		.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
		.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS,
		.flags = FSCRYPT_POLICY_FLAGS_PAD_32,
	};
	_cleanup_close_ int directory = -1;
	int error = add_key(outer, policy.master_key_identifier);

	if (error)
		return error;
	if (mkdirat(outer, ENCRYPTED, 0700) < 0)
		return -errno;
	directory = openat(outer, ENCRYPTED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0 || ioctl(directory, FS_IOC_SET_ENCRYPTION_POLICY, &policy) < 0)
		return -errno;
	return descriptor_take(&directory);
}

static int prepare_outer(const struct store_disk *disk, const struct template *template,
			 struct store *store, struct problem *problem)
{
	_cleanup_close_ int file = disk_make_file(disk, template, problem);
	_cleanup_close_ int device = -1, mount = -1;
	int error = file < 0 ? file : disk_write_template(disk, template, file, problem);

	if (!error) {
		device = loop_attach(file, true, problem);
		error = device < 0 ? device : ext4_mount(device, &mount, &store->outer, problem);
	}
	if (!error)
		error = space_add_level(&store->space, disk->authority, file, store->outer,
					template->bytes, problem);
	return error;
}

/*
 * The template is written by way of the second loop device, which is faster set up while it is
 * empty: not past it, since somebody who reads every new device (udev) would leave the kernel with
 * what he read.
 */
static int prepare_inner(const struct store_disk *disk, const struct template *template,
			 struct store *store, struct problem *problem)
{
	_cleanup_close_ int directory = make_encrypted(store->outer);
	_cleanup_close_ int file = -1, device = -1;
	int error = directory < 0 ? directory : 0;

	if (!error)
		file = openat(directory, ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (!error && (file < 0 || ftruncate(file, (off_t) template->bytes) < 0))
		error = -errno;
	if (error)
		return problem_set(problem, -error,
				   "cannot make an encrypted file: %s; does the kernel have "
				   "fscrypt with AES-256-XTS and AES-256-CTS?",
				   strerror(-error));
	device = loop_attach(file, false, problem);
	error = device < 0 ? device : disk_write_template(disk, template, device, problem);
	if (!error)
		error = ext4_mount(device, &store->mount, &store->directory, problem);
	if (!error) {
		store->loop_directory = held_open(device, problem);
		error = store->loop_directory < 0 ? store->loop_directory : 0;
	}
	store->block = descriptor_take(&device);
	if (!error)
		error = space_add_level(&store->space, disk->authority, file, store->directory,
					template->bytes, problem);
	return error;
}

int store_prepare_fscrypt(const struct store_disk *disk, struct store *store,
			  struct problem *problem)
{
	const struct template *inner = disk_template(disk->size, problem);
	int error = inner ? 0 : -EFBIG;

	if (!error)
		error = prepare_outer(disk, template_outer_of(inner), store, problem);
	if (!error)
		error = prepare_inner(disk, inner, store, problem);
	if (error)
		return error;
	store->kind = STORE_FSCRYPT;
	disk_limit(store, inner, disk->size);
	return 0;
}
