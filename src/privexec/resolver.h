/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's /etc/resolv.conf changes while a session runs (another network, a VPN), but through
 * the session's overlay a file that was replaced stays the old one. The front watches it and hands
 * a copy to the session's first process.
 */
#ifndef PRIVEXEC_PRIVEXEC_RESOLVER_H
#define PRIVEXEC_PRIVEXEC_RESOLVER_H

struct resolver {
	int watch; /* inotify, -1: nothing is watched */
};

/* Begins to watch. Where that fails, the session keeps the file it began with. */
void resolver_open(struct resolver *ret_resolver);

/*
 * To be called when resolver->watch is readable. Returns a sealed copy of the file if it may have
 * changed (the caller's), else -1.
 */
int resolver_read(struct resolver *resolver);

void resolver_close(struct resolver *resolver);

#endif
