/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A relay carries bytes from one descriptor to another, one way, without ever blocking on either.
 */
#ifndef PRIVEXEC_PRIVEXEC_RELAY_H
#define PRIVEXEC_PRIVEXEC_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define RELAY_BUFFER_SIZE 65536

struct relay {
	int source, sink;		 /* owned; -1: closed */
	char *buffer;			 /* RELAY_BUFFER_SIZE bytes, owned */
	size_t start, end;		 /* what is in it */
	bool source_socket, sink_socket; /* sockets need a flag not to block */
	bool sink_blocks;		 /* the sink could not be made non-blocking */
	bool keep_source; /* when the source ends or fails, only note it in @failed */
	bool failed;
	bool outward; /* data leaves the session by it: it is carried to the last byte */
	/* Changes what was read before it is written; never makes it longer. May be NULL. */
	size_t (*filter)(void *context, char *bytes, size_t size);
	void *filter_context;
};

/* Takes ownership of both descriptors. Returns 0 or -ENOMEM. */
int relay_open(struct relay *relay, int source, int sink);

/* What the relay waits for, in @polled[0] (source) and @polled[1] (sink). */
void relay_poll(const struct relay *relay, struct pollfd polled[2]);

/* Moves what can be moved, after poll() filled @polled in. Closes ends that are over. */
void relay_move(struct relay *relay, const struct pollfd polled[2]);

/* Is all read and written that there will be? */
bool relay_is_over(const struct relay *relay);

/* The source has nothing more to say. */
void relay_end_source(struct relay *relay);

void relay_close(struct relay *relay);

#endif
