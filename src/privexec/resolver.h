/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's /etc/resolv.conf changes while a session runs (another network, a VPN), but through
 * the session's overlay a file that was replaced stays the old one. The front watches it and hands
 * a copy to the session's first process.
 */
#ifndef PRIVEXEC_PRIVEXEC_RESOLVER_H
#define PRIVEXEC_PRIVEXEC_RESOLVER_H

#include <sys/stat.h>

struct resolver {
	int watch;	  /* inotify, -1: nothing is watched */
	struct stat seen; /* the file as the session has it */
};

/* Notes what the file is now, when the session begins with it. */
void resolver_note(struct resolver *resolver);

/* Begins to watch. Where that fails, the session keeps the file it has. */
void resolver_watch(struct resolver *resolver);

/*
 * To be called when resolver->watch is readable, and once after resolver_watch(). Returns a sealed
 * copy of the file if it has changed (the caller's), else -1.
 */
int resolver_read(struct resolver *resolver);

void resolver_close(struct resolver *resolver);

#endif
