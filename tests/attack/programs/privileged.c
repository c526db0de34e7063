// SPDX-License-Identifier: GPL-2.0-or-later
/* Says "privileged" when it runs as root or has a capability. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	char line[128];
	unsigned long long capabilities = 0;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "CapEff: %llx", &capabilities);
	puts(geteuid() == 0 || capabilities ? "privileged" : "not privileged");
	return 0;
}
