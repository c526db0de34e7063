// SPDX-License-Identifier: GPL-2.0-or-later
/* The modes of the outer terminal, where two sessions of one pipeline share it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pty.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "privexec/terminal.h"

/* A front whose standard input, or output, is the terminal @outer. */
static struct terminal beginning(int stream, int outer)
{
	enum stream_choice choices[3] = { STREAM_PASSED, STREAM_PASSED, STREAM_PASSED };
	struct terminal terminal;
	int before = dup(stream);

	choices[stream] = STREAM_TERMINAL;
	assert_true(before >= 0 && dup2(outer, stream) == stream);
	assert_int_equal(terminal_prepare(choices, &terminal), 0);
	assert_int_equal(dup2(before, stream), stream);
	close(before);
	assert_true(terminal.present && terminal.lazy);
	return terminal;
}

/* The session of @terminal makes its own. Returns the end that its commands see. */
static int attached(struct terminal *terminal)
{
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(terminal_attach(terminal, master), 0);
	return slave;
}

static struct termios modes_of(int fd)
{
	struct termios modes;

	memset(&modes, 0, sizeof(modes));
	assert_int_equal(tcgetattr(fd, &modes), 0);
	return modes;
}

static void ended(struct terminal *terminal, int slave)
{
	terminal_hang_up(terminal);
	close(terminal->control);
	close(slave);
}

static void the_second_session_does_not_see_the_modes_of_the_first(void **state)
{
	struct terminal reader, printer;
	struct termios before, seen;
	int master, outer, inner[2];

	(void)state;
	assert_int_equal(openpty(&master, &outer, NULL, NULL, NULL), 0);
	before = modes_of(outer);
	assert_true(before.c_oflag & OPOST && before.c_lflag & ICANON);
	reader = beginning(STDIN_FILENO, outer);
	printer = beginning(STDOUT_FILENO, outer);

	inner[0] = attached(&reader);
	reader.wanted = true;
	assert_true(terminal_take(&reader));
	seen = modes_of(outer);
	assert_false(seen.c_oflag & OPOST || seen.c_lflag & ICANON);

	/* slower, it has its terminal made when the outer one is raw already */
	inner[1] = attached(&printer);
	seen = modes_of(inner[1]);
	assert_int_equal(seen.c_oflag, before.c_oflag);
	assert_int_equal(seen.c_iflag, before.c_iflag);
	assert_int_equal(seen.c_lflag, before.c_lflag & ~(tcflag_t)TOSTOP);

	/* and whichever gives the outer one back last, gives back what was there before both */
	printer.wanted = true;
	assert_true(terminal_take(&printer));
	terminal_release(&reader, false);
	terminal_release(&printer, false);
	seen = modes_of(outer);
	assert_memory_equal(&seen, &before, sizeof(seen));
	ended(&reader, inner[0]);
	ended(&printer, inner[1]);
	close(master);
	close(outer);
}

static void a_terminal_that_was_raw_before_is_so_afterwards(void **state)
{
	struct terminal terminal;
	struct termios raw, seen;
	int master, outer, inner;

	(void)state;
	assert_int_equal(openpty(&master, &outer, NULL, NULL, NULL), 0);
	raw = modes_of(outer);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(outer, TCSANOW, &raw), 0);
	raw = modes_of(outer);
	terminal = beginning(STDIN_FILENO, outer);
	inner = attached(&terminal);
	seen = modes_of(inner);
	assert_false(seen.c_oflag & OPOST || seen.c_lflag & ICANON);
	terminal.wanted = true;
	assert_true(terminal_take(&terminal));
	terminal_release(&terminal, false);
	seen = modes_of(outer);
	assert_memory_equal(&seen, &raw, sizeof(seen));
	ended(&terminal, inner);
	close(master);
	close(outer);
}

static void modes_follow_the_outer_ones_until_the_session_changes_them(void **state)
{
	struct terminal terminal;
	struct termios before, shells, seen;
	int master, outer, inner;

	(void)state;
	assert_int_equal(openpty(&master, &outer, NULL, NULL, NULL), 0);
	before = modes_of(outer);
	/* as a shell has it that edits its command line while the session starts in the background
	 */
	shells = before;
	shells.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	assert_int_equal(tcsetattr(outer, TCSANOW, &shells), 0);
	terminal = beginning(STDIN_FILENO, outer);
	inner = attached(&terminal);
	assert_false(modes_of(inner).c_lflag & (ICANON | ECHO));

	assert_int_equal(tcsetattr(outer, TCSANOW, &before), 0);
	terminal.wanted = true;
	assert_true(terminal_take(&terminal));
	assert_int_equal(modes_of(inner).c_lflag & (ICANON | ECHO), ICANON | ECHO);

	terminal_release(&terminal, false);
	seen = modes_of(inner);
	seen.c_lflag &= ~(tcflag_t)ECHO;
	assert_int_equal(tcsetattr(inner, TCSANOW, &seen), 0);
	assert_true(terminal_take(&terminal));
	assert_int_equal(modes_of(inner).c_lflag & (ICANON | ECHO), ICANON);
	terminal_release(&terminal, false);
	ended(&terminal, inner);
	close(master);
	close(outer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_session_does_not_see_the_modes_of_the_first),
		cmocka_unit_test(modes_follow_the_outer_ones_until_the_session_changes_them),
		cmocka_unit_test(a_terminal_that_was_raw_before_is_so_afterwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
