// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line: what is taken, and that every refusal says what would mend it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "privexec/options.h"

#define WORDS_MAX 16

/* Parses "privexec" and the words given, up to a NULL. */
static int parse(struct options *options, struct problem *problem, const char *const *words)
{
	static char storage[WORDS_MAX][128];
	static char *argv[WORDS_MAX + 1];
	int argc = 0;

	strcpy(storage[argc], "privexec");
	argv[argc++] = storage[0];
	for (; *words; words++) {
		assert_true(argc < WORDS_MAX && strlen(*words) < sizeof(storage[0]));
		strcpy(storage[argc], *words);
		argv[argc] = storage[argc];
		argc++;
	}
	argv[argc] = NULL;
	memset(problem, 0, sizeof(*problem));
	return options_parse(argc, argv, options, problem);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void accept_words(struct options *options, const char *const *words)
{
	struct problem problem;

	if (parse(options, &problem, words) != 0)
		fail_msg("refused: %s", problem.text);
}

/* Refused with one line that has @said in it. */
static void refuse_words(const char *said, const char *const *words)
{
	struct options options;
	struct problem problem;

	assert_int_not_equal(parse(&options, &problem, words), 0);
	if (!strstr(problem.text, said))
		fail_msg("'%s' is not in: %s", said, problem.text);
	assert_null(strchr(problem.text, '\n'));
}

static void nothing_said_leaves_every_choice_open(void **state)
{
	struct options options;
	const char *const none[] = { NULL };

	(void)state;
	accept_words(&options, none);
	assert_null(options.command);
	assert_int_equal(options.request.store, STORE_UNSAID);
	assert_int_equal(options.request.network, NETWORK_UNSAID);
	assert_int_equal(options.request.end, END_UNSAID);
	assert_int_equal(options.request.size, 0);
	assert_false(options.request.relax_said);
	assert_int_equal(options.status_descriptor, -1);
	assert_false(options.quiet || options.verbose || options.report || options.help);
}

static void options_end_at_the_first_word_that_is_none(void **state)
{
	struct options options;

	(void)state;
	accept_words(&options, WORDS("-q", "ls", "-v", "--json"));
	assert_true(options.quiet);
	assert_false(options.verbose);
	assert_string_equal(options.command[0], "ls");
	assert_string_equal(options.command[1], "-v");
	accept_words(&options, WORDS("--", "-q"));
	assert_false(options.quiet);
	assert_string_equal(options.command[0], "-q");
	accept_words(&options, WORDS(""));
	assert_string_equal(options.command[0], "");
}

static void every_choice_is_taken(void **state)
{
	struct options options;

	(void)state;
	accept_words(&options, WORDS("--store=memory", "--size", "2G", "--net=none", "--end=last",
				     "--name=a.b-c_1", "--relax=x11,sound", "--require=no-swap",
				     "--require=closed", "--report=/tmp/x", "--json", "--debug"));
	assert_int_equal(options.request.store, STORE_MEMORY);
	assert_int_equal(options.request.size, 2ULL << 30);
	assert_int_equal(options.request.network, NETWORK_NONE);
	assert_int_equal(options.request.end, END_LAST);
	assert_string_equal(options.request.name, "a.b-c_1");
	assert_true(options.request.relax_said);
	assert_int_equal(options.request.relax, RELAX_X11 | RELAX_SOUND);
	/* a second list adds: no requirement is dropped */
	assert_int_equal(options.request.require, REQUIRE_NO_SWAP | REQUIRE_CLOSED);
	assert_string_equal(options.report_file, "/tmp/x");
	assert_true(options.report && options.request.json && options.request.debug);
	accept_words(&options,
		     WORDS("--relax=none", "--report", "--store=auto", "--store=fscrypt"));
	assert_true(options.request.relax_said);
	assert_int_equal(options.request.relax, 0);
	assert_null(options.report_file);
	assert_int_equal(options.request.store, STORE_FSCRYPT);
}

static void bad_values_are_refused_with_what_would_do(void **state)
{
	(void)state;
	refuse_words("auto, dm-crypt, fscrypt, memory", WORDS("--store=zip"));
	refuse_words("auto, private, host, none", WORDS("--net="));
	refuse_words("command, last", WORDS("--end=never"));
	refuse_words("--size=2G", WORDS("--size=0"));
	refuse_words("--size=2G", WORDS("--size=-1"));
	refuse_words("--size=2G", WORDS("--size=2GB"));
	refuse_words("'moon'", WORDS("--relax=x11,moon"));
	refuse_words("encrypted-swap", WORDS("--require=swap"));
	refuse_words("takes none, or a list of x11", WORDS("--relax=nosuch"));
	refuse_words("letter or digit first", WORDS("--name="));
	refuse_words("letter or digit first", WORDS("--name=.hidden"));
	refuse_words("letter or digit first", WORDS("--name=a/b"));
	refuse_words("1 to 32", WORDS("--name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	refuse_words("names no file", WORDS("--report="));
	refuse_words("needs a value", WORDS("--store"));
	refuse_words("takes no value", WORDS("--dry-run=yes"));
}

static void unknown_options_are_refused(void **state)
{
	(void)state;
	refuse_words("no option '--stroe=memory'", WORDS("--stroe=memory"));
	refuse_words("no option '-x'", WORDS("-x"));
	refuse_words("no option '-x'", WORDS("-qx", "ls"));
	/* an abbreviation may mean something else in a later version */
	refuse_words("did you mean --size?", WORDS("--siz=2G"));
	refuse_words("did you mean --dry-run?", WORDS("-q", "--dry", "ls"));
	refuse_words("no option '--re'", WORDS("--re"));
	/* what a terminal would act on is not repeated to it */
	refuse_words("?[31m", WORDS("--\033[31m"));
}

static void options_of_a_later_version_are_refused_by_name(void **state)
{
	(void)state;
	refuse_words("--keep is not in this version", WORDS("--keep=/home/me/x", "ls"));
	refuse_words("--review is not in this version", WORDS("--review", "ls"));
}

static void contradictions_are_refused(void **state)
{
	int descriptor = open("/dev/null", O_WRONLY);
	char status[32];

	(void)state;
	snprintf(status, sizeof(status), "--status-fd=%d", descriptor);
	refuse_words("-q and -v", WORDS("-q", "-v", "ls"));
	refuse_words("--json", WORDS("--json", "ls"));
	refuse_words("--dry-run", WORDS("--dry-run", "--report"));
	refuse_words("--dry-run", WORDS("--dry-run", status));
	close(descriptor);
}

static void a_status_descriptor_must_be_open_for_writing(void **state)
{
	int readable = open("/dev/null", O_RDONLY), writable = open("/dev/null", O_WRONLY);
	struct options options;
	char words[3][32];

	(void)state;
	snprintf(words[0], sizeof(words[0]), "--status-fd=%d", readable);
	snprintf(words[1], sizeof(words[1]), "--status-fd=%d", writable);
	refuse_words("not open for writing", WORDS(words[0]));
	accept_words(&options, WORDS(words[1]));
	assert_int_equal(options.status_descriptor, writable);
	close(writable);
	refuse_words("not open for writing", WORDS(words[1]));
	refuse_words("above 2", WORDS("--status-fd=2"));
	refuse_words("above 2", WORDS("--status-fd=3x"));
	refuse_words("above 2", WORDS("--status-fd=99999999999999999999"));
	close(readable);
}

static void help_and_version_are_answered_whatever_else_is_said(void **state)
{
	struct options options;

	(void)state;
	accept_words(&options, WORDS("--json", "--help", "--nonsense"));
	assert_true(options.help);
	accept_words(&options, WORDS("--version"));
	assert_true(options.version);
	accept_words(&options, WORDS("-qh"));
	assert_true(options.help);
	accept_words(&options, WORDS("-V"));
	assert_true(options.version);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_leaves_every_choice_open),
		cmocka_unit_test(options_end_at_the_first_word_that_is_none),
		cmocka_unit_test(every_choice_is_taken),
		cmocka_unit_test(bad_values_are_refused_with_what_would_do),
		cmocka_unit_test(unknown_options_are_refused),
		cmocka_unit_test(options_of_a_later_version_are_refused_by_name),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(a_status_descriptor_must_be_open_for_writing),
		cmocka_unit_test(help_and_version_are_answered_whatever_else_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
