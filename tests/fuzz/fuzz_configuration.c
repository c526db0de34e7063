// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files of the configuration, of any bytes. The first byte says which: 'm' for privexec.conf,
 * anything else for a list of mount points.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/configuration.h"
#include "plan/mountinfo.h"
#include "plan/pathname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_main(const struct configuration *configuration)
{
	if (configuration->store == STORE_UNSAID || configuration->network == NETWORK_UNSAID ||
	    configuration->end == END_UNSAID || configuration->suspend == SUSPEND_UNSAID ||
	    configuration->sessions_per_user == 0 || !path_is_normal(configuration->directory) ||
	    !configuration->users[0])
		abort();
}

static void check_list(const struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!path_is_normal(list->lines[i].path) || list->lines[i].line == 0)
			abort();
		for (size_t before = 0; before < i; before++)
			if (path_is_below(list->lines[before].path, list->lines[i].path))
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct configuration configuration;
	struct problem problem = { 0 };
	FILE *stream;
	int r;

	if (size < 2)
		return 0;
	stream = fmemopen((void *)(data + 1), size - 1, "r");
	if (!stream)
		abort();
	configuration_defaults(&configuration);
	if (data[0] == 'm')
		r = configuration_parse_main(stream, "fuzz", &configuration, &problem);
	else
		r = configuration_parse_mounts(stream, "fuzz", &configuration.usr_mounts, &problem);
	if ((r < 0) != (problem.text[0] != '\0'))
		abort();
	if (r == 0) {
		check_main(&configuration);
		check_list(&configuration.usr_mounts);
	}
	fclose(stream);
	configuration_free(&configuration);
	return 0;
}
