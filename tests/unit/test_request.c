// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/request.h"

#define STRINGS "streams=ppt\0umask=022\0"

/* A packet given as a literal with its NULs; the compiler's last one is not counted. */
#define PARSE(literal, request, problem) \
	request_parse(literal, sizeof(literal) - 1, request, problem)

#define assert_refused(literal, words) assert_refused_bytes(literal, sizeof(literal) - 1, words)

static void assert_refused_bytes(const char *bytes, size_t size, const char *words)
{
	struct request request = { .size = 77 };
	struct problem problem = { 0 };

	assert_int_equal(request_parse(bytes, size, &request, &problem), -EPROTO);
	if (!strstr(problem.text, words))
		fail_msg("'%s' is not in: %s", words, problem.text);
	/* an output is untouched when the call fails */
	assert_int_equal(request.size, 77);
}

static void the_smallest_request_says_nothing_but_what_it_must(void **state)
{
	struct request request;
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(PARSE("v=1\0" STRINGS, &request, &problem), 0);
	assert_int_equal(request.store, STORE_UNSAID);
	assert_int_equal(request.network, NETWORK_UNSAID);
	assert_int_equal(request.end, END_UNSAID);
	assert_int_equal(request.size, 0);
	assert_int_equal(request.require, 0);
	assert_false(request.relax_said);
	assert_false(request.dry_run || request.json || request.debug || request.terminal_lazy);
	assert_string_equal(request.name, "");
	assert_int_equal(request.streams[0], STREAM_PASSED);
	assert_int_equal(request.streams[2], STREAM_TERMINAL);
	assert_int_equal(request.umask, 022);
	assert_int_equal(request_descriptor_count(&request), REQUEST_STREAMS + 2);
}

static void every_key_is_read(void **state)
{
	struct request request;
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(
		PARSE("v=1\0store=memory\0size=1073741824\0net=none\0end=last\0"
		      "require=no-swap,closed\0relax=x11,sound\0dry-run=1\0json=1\0debug=1\0"
		      "name=my.session-7_\0streams=cpt\0lazy=1\0umask=0777\0"
		      "sigign=ffffffffffffffff\0sigblk=1\0",
		      &request, &problem),
		0);
	assert_int_equal(request.store, STORE_MEMORY);
	assert_int_equal(request.size, 1 << 30);
	assert_int_equal(request.network, NETWORK_NONE);
	assert_int_equal(request.end, END_LAST);
	assert_int_equal(request.require, REQUIRE_NO_SWAP | REQUIRE_CLOSED);
	assert_true(request.relax_said);
	assert_int_equal(request.relax, RELAX_X11 | RELAX_SOUND);
	assert_true(request.dry_run && request.json && request.debug && request.terminal_lazy);
	assert_string_equal(request.name, "my.session-7_");
	assert_int_equal(request.streams[0], STREAM_CLOSED);
	assert_int_equal(request.streams[1], STREAM_PASSED);
	assert_int_equal(request.streams[2], STREAM_TERMINAL);
	assert_int_equal(request.umask, 0777);
	assert_true(request.signals_ignored == UINT64_MAX);
	assert_int_equal(request.signals_blocked, 1);
}

static void the_version_comes_first_and_is_this_one(void **state)
{
	(void)state;
	assert_refused(STRINGS "v=1\0", "begin with its version");
	assert_refused("v=2\0" STRINGS, "must come from one build");
	assert_refused("v=0\0" STRINGS, "must come from one build");
	assert_refused("v=\0" STRINGS, "must come from one build");
	assert_refused("v\0" STRINGS, "begin with its version");
	assert_refused("v=18446744073709551617\0" STRINGS, "must come from one build");
	assert_refused("\0v=1\0" STRINGS, "begin with its version");
}

static void unknown_missing_and_repeated_keys_are_refused(void **state)
{
	(void)state;
	assert_refused("v=1\0" STRINGS "color=red\0", "no key 'color=red'");
	assert_refused("v=1\0" STRINGS "Store=memory\0", "no key");
	assert_refused("v=1\0" STRINGS "stor=memory\0", "no key");
	assert_refused("v=1\0" STRINGS "stores=memory\0", "no key");
	assert_refused("v=1\0" STRINGS "=memory\0", "no key");
	assert_refused("v=1\0" STRINGS "store\0", "no key");
	assert_refused("v=1\0" STRINGS "\0", "no key");
	assert_refused("v=1\0" STRINGS "v=1\0", "'v' twice");
	assert_refused("v=1\0" STRINGS "json=1\0json=1\0", "'json' twice");
	assert_refused("v=1\0umask=022\0", "does not say 'streams'");
	assert_refused("v=1\0streams=ppp\0", "does not say 'umask'");
}

static void malformed_values_are_refused(void **state)
{
	(void)state;
	assert_refused("v=1\0" STRINGS "store=disk\0", "malformed");
	assert_refused("v=1\0" STRINGS "store=\0", "malformed");
	assert_refused("v=1\0" STRINGS "size=0\0", "malformed");
	assert_refused("v=1\0" STRINGS "size=1G\0", "malformed");
	assert_refused("v=1\0" STRINGS "size=-1\0", "malformed");
	assert_refused("v=1\0" STRINGS "size= 1\0", "malformed");
	assert_refused("v=1\0" STRINGS "size=1152921504606846977\0", "malformed");
	assert_refused("v=1\0" STRINGS "size=99999999999999999999999\0", "malformed");
	assert_refused("v=1\0" STRINGS "net=hosts\0", "malformed");
	assert_refused("v=1\0" STRINGS "end=never\0", "malformed");
	assert_refused("v=1\0" STRINGS "require=closed,\0", "malformed");
	assert_refused("v=1\0" STRINGS "require=,closed\0", "malformed");
	assert_refused("v=1\0" STRINGS "relax=x11,none\0", "malformed");
	assert_refused("v=1\0" STRINGS "dry-run=yes\0", "malformed");
	assert_refused("v=1\0" STRINGS "dry-run=0\0", "malformed");
	assert_refused("v=1\0" STRINGS "dry-run=11\0", "malformed");
	assert_refused("v=1\0streams=ppt\0umask=1000\0", "malformed");
	assert_refused("v=1\0streams=ppt\0umask=8\0", "malformed");
	assert_refused("v=1\0streams=pp\0umask=0\0", "malformed");
	assert_refused("v=1\0streams=pppp\0umask=0\0", "malformed");
	assert_refused("v=1\0streams=ppx\0umask=0\0", "malformed");
	assert_refused("v=1\0" STRINGS "sigign=10000000000000000\0", "malformed");
	assert_refused("v=1\0" STRINGS "sigign=g\0", "malformed");
	assert_refused("v=1\0" STRINGS "sigblk=FF\0", "malformed");
	assert_refused("v=1\0" STRINGS "sigblk=0x1\0", "malformed");
}

static void a_name_is_a_word_that_is_neither_path_nor_option(void **state)
{
	(void)state;
	assert_refused("v=1\0" STRINGS "name=.hidden\0", "malformed");
	assert_refused("v=1\0" STRINGS "name=..\0", "malformed");
	assert_refused("v=1\0" STRINGS "name=-rf\0", "malformed");
	assert_refused("v=1\0" STRINGS "name=a/b\0", "malformed");
	assert_refused("v=1\0" STRINGS "name=a b\0", "malformed");
	assert_refused("v=1\0" STRINGS "name=\xc3\xa9\0", "malformed");
	assert_refused("v=1\0" STRINGS "name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0", "malformed");
}

static void what_is_quoted_cannot_act_on_a_terminal(void **state)
{
	static const char bytes[] = "v=1\0store=\x1b[31m\0";
	struct request request;
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(request_parse(bytes, sizeof(bytes) - 1, &request, &problem), -EPROTO);
	assert_null(strchr(problem.text, '\x1b'));
}

static void a_packet_has_its_bounds(void **state)
{
	static char large[REQUEST_SIZE_MAX + 1] = "v=1\0" STRINGS;
	struct request request;
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(request_parse("", 0, &request, &problem), -EPROTO);
	assert_int_equal(request_parse(large, sizeof(large), &request, &problem), -EPROTO);
	assert_refused("v=1\0streams=ppt\0umask=022", "end with a NUL");
	assert_refused("v", "end with a NUL");
}

static void what_is_written_reads_the_same(void **state)
{
	const struct request written = {
		.store = STORE_DM_CRYPT,
		.size = 1ULL << 60,
		.network = NETWORK_PRIVATE,
		.end = END_COMMAND,
		.require = (REQUIRE_RAM_SCRUB << 1) - 1,
		.relax = (RELAX_GPU << 1) - 1,
		.relax_said = true,
		.dry_run = true,
		.json = true,
		.debug = true,
		.name = "0123456789abcdef0123456789ABCDEF",
		.streams = { STREAM_TERMINAL, STREAM_CLOSED, STREAM_PASSED },
		.terminal_lazy = true,
		.umask = 0777,
		.signals_ignored = UINT64_MAX,
		.signals_blocked = UINT64_MAX,
	};
	char bytes[REQUEST_SIZE_MAX];
	struct request read;
	struct problem problem = { 0 };
	ssize_t size = request_format(&written, bytes, sizeof(bytes));

	(void)state;
	assert_true(size > 0);
	assert_int_equal(request_parse(bytes, (size_t)size, &read, &problem), 0);
	assert_memory_equal(&read, &written, sizeof(read));
	/* every size that is too small says so, and writes nothing behind its end */
	for (size_t room = 0; room < (size_t)size; room++) {
		char guarded[REQUEST_SIZE_MAX];

		memset(guarded, '#', sizeof(guarded));
		assert_int_equal(request_format(&written, guarded, room), -EMSGSIZE);
		assert_int_equal(guarded[room], '#');
	}
}

static void no_relaxation_is_not_the_same_as_none_said(void **state)
{
	struct request written = { .relax_said = true }, read;
	struct problem problem = { 0 };
	char bytes[REQUEST_SIZE_MAX];
	ssize_t size = request_format(&written, bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(request_parse(bytes, (size_t)size, &read, &problem), 0);
	assert_true(read.relax_said);
	assert_int_equal(read.relax, 0);
	assert_int_equal(request_descriptor_count(&read), REQUEST_STREAMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smallest_request_says_nothing_but_what_it_must),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(the_version_comes_first_and_is_this_one),
		cmocka_unit_test(unknown_missing_and_repeated_keys_are_refused),
		cmocka_unit_test(malformed_values_are_refused),
		cmocka_unit_test(a_name_is_a_word_that_is_neither_path_nor_option),
		cmocka_unit_test(what_is_quoted_cannot_act_on_a_terminal),
		cmocka_unit_test(a_packet_has_its_bounds),
		cmocka_unit_test(what_is_written_reads_the_same),
		cmocka_unit_test(no_relaxation_is_not_the_same_as_none_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
