// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/descriptor.h"

void descriptor_close(int *descriptor)
{
	int saved = errno;

	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
	errno = saved;
}

int descriptor_take(int *descriptor)
{
	int taken = *descriptor;

	*descriptor = -1;
	return taken;
}

int descriptor_write_all(int descriptor, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t written = write(descriptor, at, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		at += written;
		size -= (size_t)written;
	}
	return 0;
}

ssize_t descriptor_read_file(int directory, const char *path, char *buffer, size_t size)
{
	_cleanup_close_ int file = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t length = 0;

	if (file < 0)
		return -errno;
	while (length < size) {
		ssize_t got = read(file, buffer + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	if (length == size)
		return -EFBIG;
	buffer[length] = '\0';
	return (ssize_t)length;
}

int descriptor_write_file(int directory, const char *path, const char *text)
{
	_cleanup_close_ int file = openat(directory, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (file < 0)
		return -errno;
	if (write(file, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

int descriptor_fill_standard(void)
{
	int closed = 0;

	for (int standard = 0; standard <= 2; standard++) {
		int opened;

		if (fcntl(standard, F_GETFD) >= 0)
			continue;
		closed |= 1 << standard;
		/* the lowest free number is this one, since those below it are open */
		opened = open("/dev/null", standard == 0 ? O_RDONLY : O_WRONLY);
		if (opened < 0)
			return -errno;
	}
	return closed;
}

int descriptor_open_trusted(int parent, const char *name)
{
	struct stat status;
	int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory < 0)
		return -errno;
	if (fstat(directory, &status) == 0 && status.st_uid == 0 &&
	    !(status.st_mode & (S_IWGRP | S_IWOTH)))
		return directory;
	close(directory);
	return -EPERM;
}
