/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the relay is carrying: questions in datagrams, and streams. Private to relay.c. */
#ifndef PRIVEXEC_NETWORK_RELAYED_H
#define PRIVEXEC_NETWORK_RELAYED_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "network/resolver.h"

#define QUESTIONS_MAX 128
#define STREAMS_MAX 32
/* One that carries nothing for so long is closed. */
#define STREAM_MILLISECONDS 60000

#define RELAYED_DESCRIPTORS (QUESTIONS_MAX + 2 * STREAMS_MAX)

/* One client (address and port) asking one name server by datagrams. */
struct question {
	int server;   /* a socket on the host, connected to it; -1: this slot is free */
	int listener; /* where it came from, and the answer goes */
	struct sockaddr_in6 client; /* IPv4 as ::ffff:a.b.c.d */
	struct in6_addr asked;
	int64_t deadline;
	uint8_t last[512]; /* the last question, to say that nobody answers it */
	size_t length;
};

struct stream {
	struct half {
		int socket; /* reads from it; -1 in the first half: this slot is free */
		uint8_t bytes[4096];
		size_t start, end; /* of what the other one has not been given yet */
		bool over;	   /* nothing more comes from it */
		bool told;	   /* and the other one has been told */
	} halves[2];		   /* the client's, the server's */
	bool connecting;
	int64_t deadline;
};

struct relayed {
	struct name_servers servers;
	struct question questions[QUESTIONS_MAX];
	struct stream streams[STREAMS_MAX];
};

void relayed_begin(struct relayed *relayed);

/* Fills @polled, RELAYED_DESCRIPTORS of them. */
void relayed_poll(const struct relayed *relayed, struct pollfd *polled);

/* Milliseconds until something is given up; -1: nothing is carried. */
int relayed_timeout(const struct relayed *relayed);

/* Moves on what can be, and gives up what took too long. */
void relayed_move(struct relayed *relayed, const struct pollfd *polled, int64_t now);

/* Takes questions, or a stream, from a listener that has them. */
void relayed_ask(struct relayed *relayed, int listener, int64_t now);
void relayed_accept(struct relayed *relayed, int listener, int64_t now);

/* The name server at @address, port 53, as a socket address of its own family; its length. */
socklen_t relayed_server(const struct in6_addr *address, struct sockaddr_storage *ret_server);

/* In streams.c: the part of the above that is about streams. */
void streams_poll(const struct stream *stream, struct pollfd polled[2]);
void streams_move(struct stream *stream, const struct pollfd polled[2], int64_t now);
void streams_close(struct stream *stream);

#endif
