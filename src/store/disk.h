/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two kinds of store on disk share: the template, the limit. */
#ifndef PRIVEXEC_STORE_DISK_H
#define PRIVEXEC_STORE_DISK_H

#include "store/store.h"
#include "store/template.h"

/* ext4 keeps these back of its free blocks, for itself. */
#define DISK_UNUSABLE (16ULL << 20)

/* The template for a store of @size bytes; NULL with @problem filled (EFBIG) if that is too much.
 */
const struct template *disk_template(uint64_t size, struct problem *problem);

/* Sets how far a store made from @template may grow. */
void disk_limit(struct store *store, const struct template *template, uint64_t size);

/* Makes the backing file for @template. A descriptor or a negative errno. As root. */
int disk_make_file(const struct store_disk *disk, const struct template *template,
		   struct problem *problem);

/* Writes @template into @file. 0 or a negative errno. As root. */
int disk_write_template(const struct store_disk *disk, const struct template *template, int file,
			struct problem *problem);

#endif
