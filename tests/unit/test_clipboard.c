// SPDX-License-Identifier: GPL-2.0-or-later
/* What a session prints reaches the terminal as it is, but what would write its clipboard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "privexec/clipboard.h"
#include "privexec/words.h"

/* Filters @text in pieces of @piece bytes. */
static const char *filtered(const char *text, size_t piece, bool outer_returns)
{
	struct output_filter filter = { .outer_returns = outer_returns };
	static char result[512];
	size_t length = strlen(text), kept = 0;

	assert_true(length < sizeof(result));
	for (size_t at = 0; at < length; at += piece) {
		size_t size = length - at < piece ? length - at : piece;

		memcpy(result + kept, text + at, size);
		kept += output_filter_apply(&filter, result + kept, size);
	}
	result[kept] = '\0';
	return result;
}

static void expect(const char *text, const char *printed)
{
	for (size_t piece = 1; piece <= 7; piece++)
		assert_string_equal(filtered(text, piece, false), printed);
	assert_string_equal(filtered(text, strlen(text) + 1, false), printed);
}

static void other_sequences_pass_unchanged(void **state)
{
	static const char *const harmless[] = {
		"plain text\r\n",
		"\033[31mred\033[0m",
		"\033]0;a title\007",
		"\033]2;a title\033\\text",
		"\033]8;;http://example.org\033\\link\033]8;;\033\\",
		"\033]5;0;?\033\\",
		"\033]520;x\007",
		"\033]1337;File=name=x:AAAA\007",
		"\033Ptmux;\033\033]0;title\007\033\\",
		"gr\303\274n \342\200\234quoted\342\200\235 \342\235\23552; \303\235\302\265",
		"\033",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		expect(harmless[i], harmless[i]);
}

static void the_clipboard_is_not_written(void **state)
{
	(void)state;
	/* the beginning may be out before it is known for what it is: CAN makes it void */
	expect("a\033]52;c;aGVsbG8=\007b", "a\033]52\030b");
	expect("a\033]52;c;aGVsbG8=\033\\b", "a\033]52\030b");
	expect("a\033]0052;c;aGVsbG8=\007b", "a\033]0052\030b");
	expect("a\302\23552;c;aGVsbG8=\302\234b", "a\302\23552\030b");
	expect("a\23552;c;aGVsbG8=\007b", "a\23552\030b");
	expect("\033]5522;type=write\033\\b", "\033]5522\030b");
	expect("\033]1337;Copy=:aGVsbG8=\007b", "\033]1337;Cop\030b");
	expect("\033Ptmux;\033\033]52;c;aGVsbG8=\007\033\\b", "\033Ptmux;\033\033]52\030\033\\b");
	expect("\033]52;c;aGVs\033]52;c;bG8=\007b", "\033]52\030]52;c;bG8=\007b");
	/* not by way of another one in front either */
	expect("\033]0;x\033]52;c;aGVsbG8=\007b", "\033]0;x\033]52\030b");
}

static void a_terminal_that_returns_by_itself_is_not_told_twice(void **state)
{
	(void)state;
	assert_string_equal(filtered("a\r\nb\rc\r\n", 99, true), "a\nb\rc\n");
	assert_string_equal(filtered("a\r\r\nb", 99, true), "a\r\nb");
}

static void words_hold_nothing_that_a_terminal_acts_on(void **state)
{
	char line[] = "a\033[2J\tb\nc\302\233d\303\251\177";

	(void)state;
	words_clean(line, strlen(line), false);
	assert_string_equal(line, "a?[2J?b?c??d\303\251?");
	memcpy(line, "a\nb\t\033", 6);
	words_clean(line, strlen(line), true);
	assert_string_equal(line, "a\nb\t?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_sequences_pass_unchanged),
		cmocka_unit_test(the_clipboard_is_not_written),
		cmocka_unit_test(a_terminal_that_returns_by_itself_is_not_told_twice),
		cmocka_unit_test(words_hold_nothing_that_a_terminal_acts_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
