/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a session prints is an exit, the clipboard of the terminal that shows it is none. The filter
 * takes the control sequences that write the clipboard out of the stream: OSC 52 (xterm and most
 * others), OSC 5522 (kitty) and OSC 1337;Copy (iTerm2), also as tmux passes them through.
 */
#ifndef PRIVEXEC_PRIVEXEC_CLIPBOARD_H
#define PRIVEXEC_PRIVEXEC_CLIPBOARD_H

#include <stdbool.h>
#include <stddef.h>

struct output_filter {
	enum filter_state {
		FILTER_TEXT,
		FILTER_ESCAPE,	    /* after ESC */
		FILTER_C2,	    /* after C2, which with 9D is OSC in UTF-8 */
		FILTER_COMMAND,	    /* in an OSC, its beginning still fits a forbidden one */
		FILTER_DROP,	    /* in a forbidden OSC */
		FILTER_DROP_ESCAPE, /* after ESC there */
		FILTER_DROP_C2,
	} state;
	char command[16]; /* of an OSC, as far as it was read */
	size_t length;
	unsigned char previous;
	/* newlines come as CR LF from the inner terminal; the outer one makes that of LF itself */
	bool outer_returns;
};

/* Filters @size bytes in place and returns how many there are left. State spans calls. */
size_t output_filter_apply(struct output_filter *filter, char *bytes, size_t size);

#endif
