// SPDX-License-Identifier: GPL-2.0-or-later
/* A request of any bytes is refused with words, or is one that reads the same once written back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request request, again;
	struct problem problem = { 0 };
	char bytes[REQUEST_SIZE_MAX];
	ssize_t written;
	int r = request_parse((const char *)data, size, &request, &problem);

	if (r < 0) {
		if (!problem.text[0])
			abort();
		return 0;
	}
	if (problem.text[0] || strlen(request.name) > REQUEST_NAME_MAX || request.umask > 0777 ||
	    request_descriptor_count(&request) > REQUEST_DESCRIPTORS_MAX)
		abort();
	written = request_format(&request, bytes, sizeof(bytes));
	if (written < 0 || request_parse(bytes, (size_t)written, &again, &problem) < 0 ||
	    memcmp(&request, &again, sizeof(request)) != 0)
		abort();
	return 0;
}
