/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session as the front sees it, from the request to the exit status. */
#ifndef PRIVEXEC_PRIVEXEC_SESSION_H
#define PRIVEXEC_PRIVEXEC_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/message.h"
#include "privexec/options.h"
#include "privexec/resolver.h"
#include "privexec/start.h"
#include "privexec/streams.h"
#include "privexec/terminal.h"

struct session {
	const struct options *options;
	struct origin origin;
	struct start start;
	struct streams streams;
	struct terminal terminal;
	struct resolver resolver;
	int signals;  /* signalfd */
	FILE *report; /* --report=FILE, opened before anything runs */
	struct message_started started;
	struct message_ended ended;
	struct message_survivors survivors;
	bool is_started, is_ready; /* MESSAGE_STARTED, MESSAGE_READY came */
	bool going;		   /* MESSAGE_GO was sent */
	bool not_executed;	   /* the command could not be executed */
	bool exited;		   /* the command has; others of its session may live on */
	bool waiting;		   /* MESSAGE_WANTS_TERMINAL came and is not answered */
	bool has_ended;		   /* MESSAGE_ENDED came */
	bool over;		   /* nothing more comes: relay what is left and leave */
	bool abandoned;		   /* leave at once: a signal said so */
	int64_t began;		   /* clock_milliseconds() when the request was sent */
	int64_t watch_at; /* then the host's resolv.conf is watched; 0: it is, or need not be */
	int64_t give_up;  /* then leave though init's channel is still open; 0: no limit */
	int status;	  /* the exit status so far */
};

/*
 * Runs a session for the command in @options, to its end. @argv is wiped but for the program's
 * name, so that the arguments are not in /proc. Returns the exit status.
 */
int session_run(const struct options *options, const struct origin *origin, int argc, char **argv);

/* What follows is shared by the files of this room that make up the session's event loop. */

/* Sends @size bytes of @body to the session's first process; what finds no room is dropped. */
void session_tell(struct session *session, enum message_type type, const void *body, size_t size,
		  int descriptor);

/* Takes what keeper and first process have said. */
void session_hear_keeper(struct session *session);
void session_hear_init(struct session *session);

/* Takes the signals that came. */
void session_take_signals(struct session *session);

/* The command was stopped by @signal: so stops the front, and goes on with it. */
void session_stop(struct session *session, int signal);

/* The command waits for the terminal: grants it, or stops as it would have been stopped. */
void session_grant_terminal(struct session *session, bool may_stop);

#endif
