/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What process 1 knows, shared by the files of this room and nobody else. */
#ifndef PRIVEXEC_INIT_STATE_H
#define PRIVEXEC_INIT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/message.h"
#include "init/command.h"
#include "init/init.h"
#include "init/terminal.h"

/* How long processes have to end by themselves, in milliseconds. */
#define GRACE_AFTER_COMMAND 5000
#define GRACE_AFTER_FRONT 2000
/* Killed processes that are still there after this (in a hung file system) are left to the kernel.
 */
#define GRACE_AFTER_KILL 2000

enum init_phase {
	PHASE_WAITING,	  /* for MESSAGE_GO */
	PHASE_RUNNING,	  /* the command, or with --end=last whatever it left */
	PHASE_TERMINATED, /* what is left was asked to end, until the deadline */
	PHASE_KILLED,	  /* what is left was killed, until the deadline */
	PHASE_OVER,
};

struct init_state {
	const struct init_context *context;
	struct command command;
	struct inner_terminal terminal;
	int signals;   /* signalfd */
	int early_key; /* signal of a key that was typed before the command was there, or 0 */
	int front;     /* -1 once it is gone */
	enum init_phase phase;
	int64_t deadline; /* clock_milliseconds(), of PHASE_TERMINATED and PHASE_KILLED */
	int32_t status;	  /* of the session */
	/* a stop of the command that the front has not been told yet: MESSAGE_STOPPED or
	 * MESSAGE_WANTS_TERMINAL, else 0 */
	uint8_t stop_message, stop_signal;
	bool stopped; /* the command is */
	struct message_survivors survivors;
};

/*
 * Sends the front one packet. The channel does not block, so that a front which does not read (it
 * may be stopped) cannot hold up init. Returns 0 or a negative errno; -EAGAIN: no room.
 */
int front_tell(const struct init_state *init, enum message_type type, const void *body,
	       size_t size);

/* Tells the front that the command was stopped, if that has not been said yet and there is room. */
void front_tell_stop(struct init_state *init);

/* Makes the terminal if one is asked for and says MESSAGE_READY. Returns 0 or a negative errno. */
int front_make_ready(struct init_state *init);

/* Takes what the front sent, a few packets at a time. Sets init->front to -1 when it is gone. */
void front_receive(struct init_state *init);

/* Starts the command; MESSAGE_GO came. */
void init_start_command(struct init_state *init);

/* Ends what is left: @signal now, SIGKILL after @grace milliseconds. */
void init_end_rest(struct init_state *init, int signal, int grace);

/* Kills what is left at once. */
void init_kill_rest(struct init_state *init);

#endif
