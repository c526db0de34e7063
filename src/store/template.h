/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Templates of disk stores: empty ext4 file systems that tools/make-templates made when privexec
 * was built. Writing one is some ten times faster than mke2fs.
 *
 * The root directory holds one file, TEMPLATE_BALLOON, whose unwritten extents are all blocks but a
 * reserve: truncating it gives the file system that much more room. Its size is what it holds.
 */
#ifndef PRIVEXEC_STORE_TEMPLATE_H
#define PRIVEXEC_STORE_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#define TEMPLATE_BALLOON ".balloon"

enum template_kind {
	TEMPLATE_INNER, /* what a session writes into */
	TEMPLATE_OUTER, /* has fscrypt, and room for one file: the image of an INNER */
};

struct template
{
	enum template_kind kind;
	uint64_t bytes;	  /* of the file system */
	uint64_t balloon; /* bytes of TEMPLATE_BALLOON */
	uint64_t usable;  /* bytes of files at most: the balloon and the initial reserve */
	const unsigned char *records;
	size_t length; /* of the records */
};

/* All of them, smallest first, each INNER followed by its OUTER. */
extern const struct template templates[];
extern const size_t templates_count;

/* The smallest template of @kind whose usable is at least @bytes, or NULL. */
const struct template *template_choose(enum template_kind kind, uint64_t bytes);

/* The OUTER whose balloon leaves what the image of @inner takes but for the balloon of @inner, and
 * 32 MiB. NULL if @inner is no INNER of templates. */
const struct template *template_outer_of(const struct template *inner);

/*
 * Writes the file system into @file with a fresh UUID and hash seed. @file is open for writing, at
 * least template->bytes long, and an empty sparse file or a device with any content: whatever the
 * file system will read is written, zeros too. Not to be called by two threads at once. Returns 0
 * or a negative errno; -EINVAL for records that are damaged.
 */
int template_write(const struct template *template, int file);

#endif
