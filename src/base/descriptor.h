/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File descriptors: closing, taking, whole reads and whole writes. */
#ifndef PRIVEXEC_BASE_DESCRIPTOR_H
#define PRIVEXEC_BASE_DESCRIPTOR_H

#include <stddef.h>
#include <sys/types.h>

/* Closes *@descriptor if it is not negative and sets it to -1; errno is kept. */
void descriptor_close(int *descriptor);

/* Returns *@descriptor and leaves -1 in its place: the caller owns it now. */
int descriptor_take(int *descriptor);

/* Writes all @size bytes. Returns 0 or a negative errno. */
int descriptor_write_all(int descriptor, const void *data, size_t size);

/*
 * Reads the file @path below @directory (or AT_FDCWD), at most @size - 1 bytes, and ends the text
 * with a NUL. Follows no symbolic link in the last component. Returns the number of bytes, or a
 * negative errno (-EFBIG when there is more).
 */
ssize_t descriptor_read_file(int directory, const char *path, char *buffer, size_t size);

/* Writes @text in one write(2) to the existing file @path below @directory. 0 or negative errno. */
int descriptor_write_file(int directory, const char *path, const char *text);

/* Makes sure that 0, 1 and 2 are open, on /dev/null where they were not. Returns a mask of those
 * that were closed (bit 0 for descriptor 0), or a negative errno. */
int descriptor_fill_standard(void);

/*
 * Opens the directory @name below @parent for listing, if it is no link, root's, and writable by
 * nobody else. A descriptor, or a negative errno (-EPERM where that is not so).
 */
int descriptor_open_trusted(int parent, const char *name);

#endif
