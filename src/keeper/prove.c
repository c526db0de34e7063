// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/prove.h"
#include "plan/mountinfo.h"
#include "proof/proof.h"

static int prove_each(char *const paths[], const struct mount_table *mounts)
{
	int status = 0;

	for (; *paths; paths++) {
		struct problem problem = { 0 };

		if (proof_make(*paths, mounts, &problem) == 0) {
			printf("%s: proven; sessions of users read it directly\n", *paths);
		} else {
			fprintf(stderr, "privexec-keeper: %s\n", problem.text);
			status = 1;
		}
	}
	return status;
}

int prove(char *const paths[])
{
	_cleanup_file_ FILE *stream = NULL;
	struct mount_table mounts = { 0 };
	struct problem problem = { 0 };
	int status;

	/* by the real uid: the file's own capabilities give nobody the right to this */
	if (getuid() != 0 || geteuid() != 0) {
		fprintf(stderr, "privexec-keeper: only root can prove a tree; try sudo\n");
		return 125;
	}
	umask(022);
	stream = fopen("/proc/self/mountinfo", "re");
	if (!*paths || !stream ||
	    mount_table_read(stream, "/proc/self/mountinfo", &mounts, &problem) < 0) {
		fprintf(stderr, "privexec-keeper: %s\n",
			problem.text[0] ? problem.text
			: !*paths	? "no directory given: privexec-keeper --prove /usr ..."
					: "cannot read /proc/self/mountinfo");
		return 125;
	}
	status = prove_each(paths, &mounts);
	mount_table_free(&mounts);
	return status;
}
