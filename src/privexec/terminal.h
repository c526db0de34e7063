/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two terminals: the outer one, which the person sits at, and the session's own, of which the
 * front holds the outer end ("master"). "Taken" means that the outer one is in raw mode and what is
 * typed goes to the session; what the session prints is relayed whether it is taken or not.
 */
#ifndef PRIVEXEC_PRIVEXEC_TERMINAL_H
#define PRIVEXEC_PRIVEXEC_TERMINAL_H

#include <poll.h>
#include <stdbool.h>
#include <termios.h>

#include "control/request.h"
#include "privexec/clipboard.h"
#include "privexec/relay.h"

struct terminal {
	bool present; /* one of the three standard streams is a terminal */
	bool lazy;    /* it is not taken before the command wants it */
	bool wanted;  /* the command is to have it, whenever the front is in its foreground */
	bool taken;
	bool over; /* the command has ended: give it back when the last output is out */
	int input,
		output; /* the outer one, open for this program alone; owned by the relays later */
	int control;	/* the outer one, for its modes and size */
	int master;	/* -1 before the session made one, and once it is hung up */
	bool has_found;
	struct termios found; /* the outer one's modes when the front began, if @has_found */
	struct termios given; /* the session's own modes, until somebody in it changes them */
	bool has_saved;	      /* @saved are modes that the outer one was not given back yet */
	struct termios saved; /* the outer one's modes before it was taken */
	struct relay in, out;
	struct output_filter filter;
};

/* Opens what there is, by @choices of the three streams. Returns 0 or a negative errno. */
int terminal_prepare(const enum stream_choice choices[3], struct terminal *ret_terminal);

/* Is the front's process group the one that may use the outer terminal? Without job control: yes.
 */
bool terminal_is_foreground(const struct terminal *terminal);

/* The session's terminal is there: takes over @master, gives it size and modes of the outer one. */
int terminal_attach(struct terminal *terminal, int master);

/* Takes the outer terminal if it is wanted and the front is in its foreground. Returns whether it
 * is taken. */
bool terminal_take(struct terminal *terminal);

/* Gives the outer terminal its modes back; @flush throws away what was typed but not read, which
 * may be the terminal's answers to what the session asked of it. */
void terminal_release(struct terminal *terminal, bool flush);

/* The outer terminal has a new size: so has the session's. */
void terminal_resize(const struct terminal *terminal);

/* Four entries; the first two wait for input and are idle unless the terminal is taken. */
void terminal_poll(const struct terminal *terminal, struct pollfd polled[4]);
void terminal_move(struct terminal *terminal, const struct pollfd polled[4]);

/* Relays what the session has printed so far, for two seconds at the most. */
void terminal_flush_output(struct terminal *terminal);

/* Closes the session's terminal: whatever still runs there is hung up. */
void terminal_hang_up(struct terminal *terminal);

#endif
