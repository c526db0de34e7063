// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile FUSE file system:
 *
 *   served KIND PROGRAM MAJOR MINOR UID LOG [FUSE OPTION...] MOUNTPOINT
 *
 * KIND: e  everything is answered
 *       h  no question is
 *       l  the first is, no later one ("late")
 *       c  only those of user UID are, not even root's: as a server does that squashes root
 *
 * It shows: disk (a block device MAJOR MINOR), null (a character device), sh (PROGRAM, root's, mode
 * 06755), word (a file). LOG gets the user id behind each question.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static char kind;
static int program, log_file;
static unsigned major_number, minor_number, only;
static atomic_uint questions;

static int may(void)
{
	char line[32];
	unsigned uid = fuse_get_context()->uid;
	int length = snprintf(line, sizeof(line), "%u\n", uid);

	if (write(log_file, line, (size_t)length) < 0)
		return -EIO;
	if (kind == 'h' || (kind == 'l' && atomic_fetch_add(&questions, 1) > 0))
		while (1)
			pause();
	return kind == 'c' && uid != only ? -EACCES : 0;
}

static int get_attributes(const char *path, struct stat *status, struct fuse_file_info *file)
{
	struct stat real;
	int error = may();

	(void)file;
	memset(status, 0, sizeof(*status));
	if (error)
		return error;
	status->st_nlink = 1;
	if (strcmp(path, "/") == 0) {
		status->st_mode = S_IFDIR | 0777;
		status->st_nlink = 2;
	} else if (strcmp(path, "/disk") == 0) {
		status->st_mode = S_IFBLK | 0666;
		status->st_rdev = makedev(major_number, minor_number);
	} else if (strcmp(path, "/null") == 0) {
		status->st_mode = S_IFCHR | 0666;
		status->st_rdev = makedev(1, 3);
	} else if (strcmp(path, "/sh") == 0 && fstat(program, &real) == 0) {
		status->st_mode = S_IFREG | 06755;
		status->st_size = real.st_size;
	} else if (strcmp(path, "/word") == 0) {
		status->st_mode = S_IFREG | 0666;
		status->st_size = 5;
	} else {
		return -ENOENT;
	}
	return 0;
}

static int list(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
		struct fuse_file_info *file, enum fuse_readdir_flags flags)
{
	static const char *const names[] = { "disk", "null", "sh", "word" };
	int error = may();

	(void)path, (void)offset, (void)file, (void)flags;
	for (size_t i = 0; !error && i < 4; i++)
		fill(buffer, names[i], NULL, 0, 0);
	return error;
}

static int open_file(const char *path, struct fuse_file_info *file)
{
	(void)path, (void)file;
	return may();
}

static int read_file(const char *path, char *buffer, size_t size, off_t offset,
		     struct fuse_file_info *file)
{
	(void)file;
	if (strcmp(path, "/word") != 0)
		return (int)pread(program, buffer, size, offset);
	if (offset >= 5)
		return 0;
	size = size > (size_t)(5 - offset) ? (size_t)(5 - offset) : size;
	memcpy(buffer, "word\n" + offset, size);
	return (int)size;
}

static const struct fuse_operations operations = {
	.getattr = get_attributes,
	.readdir = list,
	.open = open_file,
	.read = read_file,
};

int main(int count, char **arguments)
{
	if (count < 8)
		return 2;
	kind = arguments[1][0];
	program = open(arguments[2], O_RDONLY | O_CLOEXEC);
	major_number = (unsigned)atoi(arguments[3]);
	minor_number = (unsigned)atoi(arguments[4]);
	only = (unsigned)atoi(arguments[5]);
	log_file = open(arguments[6], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	arguments[6] = arguments[0];
	return fuse_main(count - 6, arguments + 6, &operations, NULL);
}
