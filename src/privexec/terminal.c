// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "privexec/terminal.h"
#include "privexec/words.h"

#define FLUSH_TIME 2000 /* milliseconds */

/*
 * Opens the terminal behind @stream once more: a description of one's own can be non-blocking
 * without changing that of the shell. Not every terminal can be opened again (after su, say): then
 * the old description has to do. Returns a descriptor or a negative errno.
 */
static int open_again(int stream, bool *ret_blocks)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", stream);
	again = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	*ret_blocks = again < 0;
	if (again >= 0)
		return again;
	again = fcntl(stream, F_DUPFD_CLOEXEC, 3);
	return again < 0 ? -errno : again;
}

/* The first stream in @order that is a terminal and open for @access, or -1. */
static int choose(const enum stream_choice choices[3], const int order[3], int access)
{
	for (int i = 0; i < 3; i++) {
		int mode;

		if (choices[order[i]] != STREAM_TERMINAL)
			continue;
		mode = fcntl(order[i], F_GETFL) & O_ACCMODE;
		if (mode == O_RDWR || mode == access)
			return order[i];
	}
	return -1;
}

int terminal_prepare(const enum stream_choice choices[3], struct terminal *ret_terminal)
{
	static const int input_order[3] = { 0, 2, 1 }, output_order[3] = { 1, 2, 0 };
	struct terminal terminal = {
		.input = -1,
		.output = -1,
		.control = -1,
		.master = -1,
		.in = { .source = -1, .sink = -1 },
		.out = { .source = -1, .sink = -1 },
	};
	int input = choose(choices, input_order, O_RDONLY);
	int output = choose(choices, output_order, O_WRONLY);
	bool blocks = false;

	if (input >= 0 || output >= 0)
		terminal.present = true;
	if (input >= 0)
		terminal.input = open_again(input, &blocks);
	if (output >= 0)
		terminal.output = open_again(output, &terminal.out.sink_blocks);
	if ((input >= 0 && terminal.input < 0) || (output >= 0 && terminal.output < 0))
		return -EMFILE;
	if (terminal.present) {
		terminal.control = fcntl(input >= 0 ? input : output, F_DUPFD_CLOEXEC, 3);
		if (terminal.control < 0)
			return -errno;
		terminal.has_found = tcgetattr(terminal.control, &terminal.found) == 0;
	}
	/* in the background, or beside a pager, it must not be fought over */
	terminal.lazy = choices[0] != STREAM_TERMINAL || choices[1] != STREAM_TERMINAL ||
			!terminal_is_foreground(&terminal);
	terminal.wanted = !terminal.lazy;
	*ret_terminal = terminal;
	return 0;
}

bool terminal_is_foreground(const struct terminal *terminal)
{
	pid_t group;

	if (!terminal->present)
		return false;
	group = tcgetpgrp(terminal->control);
	/* not our controlling terminal: there is no job control to respect */
	return group < 0 || group == getpgrp();
}

static void make_raw(struct termios *modes)
{
	cfmakeraw(modes);
	modes->c_cc[VMIN] = 1;
	modes->c_cc[VTIME] = 0;
}

static bool equal(const struct termios *one, const struct termios *other)
{
	return one->c_iflag == other->c_iflag && one->c_oflag == other->c_oflag &&
	       one->c_cflag == other->c_cflag && one->c_lflag == other->c_lflag &&
	       memcmp(one->c_cc, other->c_cc, sizeof(one->c_cc)) == 0;
}

/*
 * The outer terminal's modes as they are without sessions. Another session of the same pipeline may
 * have made it raw since this one began: its modes are neither what a command expects to find nor
 * what is to be given back.
 */
static bool get_modes(const struct terminal *terminal, struct termios *ret_modes)
{
	struct termios raw = terminal->found;

	if (tcgetattr(terminal->control, ret_modes) < 0)
		return false;
	make_raw(&raw);
	if (terminal->has_found && equal(ret_modes, &raw))
		*ret_modes = terminal->found;
	return true;
}

/* Gives the session's terminal the outer one's @modes. */
static void give_modes(struct terminal *terminal, struct termios modes)
{
	/* a lazy command is in the background only to see when it reads */
	if (terminal->lazy)
		modes.c_lflag &= ~(tcflag_t)TOSTOP;
	tcsetattr(terminal->master, TCSANOW, &modes);
	/* the kernel does not take all of them */
	tcgetattr(terminal->master, &terminal->given);
}

/* Does the outer terminal, in its present modes, make CR LF of LF? */
static bool returns_by_itself(const struct terminal *terminal)
{
	struct termios modes;

	return tcgetattr(terminal->control, &modes) == 0 && (modes.c_oflag & OPOST) &&
	       (modes.c_oflag & ONLCR);
}

static size_t filter_output(void *context, char *bytes, size_t size)
{
	struct terminal *terminal = context;

	/* another session in the same pipeline may have made it raw */
	terminal->filter.outer_returns = !terminal->taken && returns_by_itself(terminal);
	return output_filter_apply(&terminal->filter, bytes, size);
}

int terminal_attach(struct terminal *terminal, int master)
{
	bool blocks = terminal->out.sink_blocks;
	struct termios modes;
	int r;

	terminal->master = master;
	fcntl(master, F_SETFL, O_NONBLOCK);
	terminal_resize(terminal);
	if (get_modes(terminal, &modes))
		give_modes(terminal, modes);
	r = relay_open(&terminal->in, descriptor_take(&terminal->input),
		       fcntl(master, F_DUPFD_CLOEXEC, 3));
	if (r == 0)
		r = relay_open(&terminal->out, fcntl(master, F_DUPFD_CLOEXEC, 3),
			       descriptor_take(&terminal->output));
	terminal->in.keep_source = true;
	terminal->out.sink_blocks = blocks;
	terminal->out.outward = true;
	terminal->out.filter = filter_output;
	terminal->out.filter_context = terminal;
	return r;
}

bool terminal_take(struct terminal *terminal)
{
	struct termios modes;

	if (terminal->master < 0 || !terminal->wanted || terminal->over)
		return false;
	if (!terminal_is_foreground(terminal)) {
		terminal->taken = false;
		return false;
	}
	/* after a stop that could not be answered the modes may still be ours: those before count
	 */
	if (!terminal->has_saved && !get_modes(terminal, &terminal->saved))
		return false;
	terminal->has_saved = true;
	/* those given before may have been an interactive shell's, which had it in the foreground
	 */
	if (tcgetattr(terminal->master, &modes) == 0 && equal(&modes, &terminal->given))
		give_modes(terminal, terminal->saved);
	modes = terminal->saved;
	make_raw(&modes);
	if (tcsetattr(terminal->control, TCSANOW, &modes) < 0)
		return false;
	terminal->taken = true;
	words_set_raw(true);
	terminal_resize(terminal);
	return true;
}

void terminal_release(struct terminal *terminal, bool flush)
{
	words_set_raw(false);
	if (!terminal->has_saved)
		return;
	terminal->taken = false;
	/* in the background the modes are the shell's business, and touching them would stop us */
	if (!terminal_is_foreground(terminal))
		return;
	tcsetattr(terminal->control, flush ? TCSAFLUSH : TCSANOW, &terminal->saved);
	terminal->has_saved = false;
}

void terminal_resize(const struct terminal *terminal)
{
	struct winsize size;

	if (terminal->master >= 0 && ioctl(terminal->control, TIOCGWINSZ, &size) == 0)
		ioctl(terminal->master, TIOCSWINSZ, &size);
}

void terminal_poll(const struct terminal *terminal, struct pollfd polled[4])
{
	if (terminal->master < 0) {
		for (int i = 0; i < 4; i++)
			polled[i] = (struct pollfd){ .fd = -1 };
		return;
	}
	relay_poll(&terminal->in, polled);
	relay_poll(&terminal->out, polled + 2);
	if (!terminal->taken)
		polled[0].fd = -1;
}

void terminal_move(struct terminal *terminal, const struct pollfd polled[4])
{
	struct pollfd input[2] = { polled[0], polled[1] };

	if (terminal->master < 0)
		return;
	/* someone else has the outer terminal now, and reading would stop us or fail */
	if (input[0].revents && !terminal_is_foreground(terminal)) {
		terminal->taken = false;
		input[0].revents = 0;
	}
	relay_move(&terminal->in, input);
	relay_move(&terminal->out, polled + 2);
	if (terminal->in.failed && !terminal_is_foreground(terminal)) {
		terminal->in.failed = false;
		terminal->taken = false;
	}
	/* the outer terminal is hung up or gone: so is the session's */
	if (terminal->in.failed || (terminal->out.sink < 0 && terminal->out.source < 0))
		terminal_hang_up(terminal);
	else if (terminal->over && terminal->taken && polled[2].fd >= 0 && !polled[2].revents)
		terminal_release(terminal, true);
}

void terminal_flush_output(struct terminal *terminal)
{
	int64_t deadline = clock_milliseconds() + FLUSH_TIME;
	struct pollfd polled[2];

	while (terminal->master >= 0 && clock_milliseconds() < deadline) {
		relay_poll(&terminal->out, polled);
		/* an empty buffer waits for nothing: what is not there by now is not printed yet */
		if (poll(polled, 2, polled[0].fd < 0 ? FLUSH_TIME : 0) <= 0)
			break;
		relay_move(&terminal->out, polled);
		if (relay_is_over(&terminal->out))
			break;
	}
}

void terminal_hang_up(struct terminal *terminal)
{
	relay_close(&terminal->in);
	relay_close(&terminal->out);
	descriptor_close(&terminal->master);
}
