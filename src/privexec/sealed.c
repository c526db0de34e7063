// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "privexec/sealed.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int open_memory(const char *name)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	/* from 6.3 on the kernel logs the name of a program that does not say this */
	int memory = memfd_create(name, flags | MFD_NOEXEC_SEAL);

	if (memory < 0 && errno == EINVAL)
		memory = memfd_create(name, flags);
	return memory < 0 ? -errno : memory;
}

/* Takes *@memory over in any case. */
static int seal(int *memory)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

	if (fcntl(*memory, F_ADD_SEALS, seals) < 0)
		return -errno;
	return descriptor_take(memory);
}

int sealed_bytes(const char *name, const void *bytes, size_t size)
{
	_cleanup_close_ int memory = open_memory(name);
	int r;

	if (memory < 0)
		return memory;
	r = descriptor_write_all(memory, bytes, size);
	return r < 0 ? r : seal(&memory);
}

int sealed_strings(const char *name, char *const *strings)
{
	_cleanup_close_ int memory = open_memory(name);
	_cleanup_free_ char *buffer = NULL;
	size_t size = 0, used = 0;
	int r;

	if (memory < 0)
		return memory;
	for (char *const *s = strings; *s; s++)
		size += strlen(*s) + 1;
	buffer = malloc(size + 1);
	if (!buffer)
		return -ENOMEM;
	for (char *const *s = strings; *s; s++) {
		size_t length = strlen(*s) + 1;

		memcpy(buffer + used, *s, length);
		used += length;
	}
	r = descriptor_write_all(memory, buffer, size);
	return r < 0 ? r : seal(&memory);
}
