/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running pasta, and what it says. */
#ifndef PRIVEXEC_NETWORK_PASTA_H
#define PRIVEXEC_NETWORK_PASTA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"

/* Is pasta where it has to be, root's and nobody else's to change? 0 or a negative errno. */
int pasta_find(struct problem *problem);

struct pasta {
	int words;  /* what it prints, not blocking; ends when pasta does; -1: it does not run */
	bool ready; /* its interface is set up, its sockets are there */
	char line[128]; /* what it is saying */
	size_t length;
	char last[128]; /* its last line in words, cleaned; or empty */
};

#define PASTA_NONE ((struct pasta){ .words = -1 })

/*
 * Starts pasta for the network namespace @namespace, as root of the calling process's user
 * namespace. Its end is an end of file on pasta->words. 0 or a negative errno. @direct4,
 * @direct6: the host's default route has no gateway.
 */
int pasta_start(int namespace, bool direct4, bool direct6, struct pasta *pasta);

/* Takes in what it says. Returns false when it has ended; @pasta is as PASTA_NONE then, but for
 * .ready and .last. */
bool pasta_hear(struct pasta *pasta);

#endif
