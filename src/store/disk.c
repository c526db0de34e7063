// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/backing.h"
#include "store/disk.h"

const struct template *disk_template(uint64_t size, struct problem *problem)
{
	const struct template *template = template_choose(TEMPLATE_INNER, size + DISK_UNUSABLE);
	char words[32];

	if (!template)
		problem_set(problem, EFBIG,
			    "a store on disk cannot have %s; ask for at most 500G with --size",
			    choice_print_size(size, words, sizeof(words)));
	return template;
}

void disk_limit(struct store *store, const struct template *template, uint64_t size)
{
	store->size = size;
	store->space.floor = template->usable - size - DISK_UNUSABLE;
}

int disk_make_file(const struct store_disk *disk, const struct template *template,
		   struct problem *problem)
{
	_cleanup_close_ int directory = backing_open_directory(disk->directory, problem);

	return directory < 0 ? directory
			     : backing_create(disk->authority, directory, template->bytes, problem);
}

int disk_write_template(const struct store_disk *disk, const struct template *template, int file,
			struct problem *problem)
{
	int error;

	authority_pay(disk->authority);
	error = template_write(template, file);
	authority_as_root(disk->authority);
	if (error)
		return problem_set(problem, -error,
				   "cannot write the store's file system: %s; free some space, or "
				   "use --store=memory",
				   strerror(-error));
	return 0;
}
