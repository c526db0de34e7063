/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel is not asked by any process of a session: data alone. tools/make-calls turns it
 * into the filter that calls.c loads.
 */
#ifndef PRIVEXEC_CONFINE_REFUSED_H
#define PRIVEXEC_CONFINE_REFUSED_H

#include <seccomp.h>
#include <stddef.h>

/*
 * The last system call of which somebody has looked at what it could carry out of a session: that
 * of Linux 6.17 and 6.18, file_setattr. Later ones are not there in a session (ENOSYS), as they are
 * not on the kernels that programs and C libraries are ready to run on. Since Linux 5.1 all
 * processors give a new call the same number.
 */
#define REFUSED_AFTER 469

/* A call that is refused, always or where all comparisons of its arguments hold. */
struct refused {
	const char *call; /* its name; processors that have no such call are spared */
	int error;	  /* what the caller is told; 0: that it was done */
	unsigned comparisons;
	struct scmp_arg_cmp compared[2];
};

extern const struct refused refused[];
extern const size_t refused_count;

#endif
