// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole view of every recorded machine, for a user, for root and without privilege, compared
 * with what is expected: NAME.expect. `test_view DIRECTORY --write` writes the expectations anew;
 * read the difference before it is committed.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "recorded.h"

#define MACHINES_MAX 100

static const char *directory;
static bool writing;

static void print_plan(struct recorded *recorded, enum who who, const char *title, FILE *stream)
{
	struct problem problem = { 0 };
	struct plan plan;

	fprintf(stream, "== %s\n", title);
	if (recorded_plan(recorded, who, NULL, NULL, &plan, &problem) < 0)
		fprintf(stream, "refused: %s\n", problem.text);
	else
		plan_print_words(&plan, stream);
	plan_free(&plan);
}

/* What the plans of the machine @name are, in words. The caller frees it. */
static char *plans_of(const char *name)
{
	struct recorded recorded;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	recorded_load(directory, name, &recorded);
	print_plan(&recorded, WHO_USER, "a user's session", stream);
	print_plan(&recorded, WHO_ROOT, "a session of root", stream);
	print_plan(&recorded, WHO_ROOTLESS, "a session made without privilege", stream);
	recorded_free(&recorded);
	fclose(stream);
	return text;
}

/* Names the first line in which two texts differ. */
static void compare(const char *name, const char *expected, const char *made)
{
	for (unsigned line = 1; *expected || *made; line++) {
		size_t left = strcspn(expected, "\n"), right = strcspn(made, "\n");

		if (left != right || memcmp(expected, made, left) != 0)
			fail_msg("%s.expect:%u:\n  expected: %.*s\n  is:       %.*s", name, line,
				 (int)left, expected, (int)right, made);
		expected += left + (expected[left] == '\n');
		made += right + (made[right] == '\n');
	}
}

static void a_machine_has_the_view_that_is_expected(void **state)
{
	static char expected[1 << 18];
	const char *name = *state;
	_cleanup_free_ char *made = plans_of(name);
	_cleanup_file_ FILE *stream = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.expect", directory, name);
	stream = fopen(path, writing ? "w" : "r");
	if (!stream)
		fail_msg("cannot open %s", path);
	if (writing) {
		assert_true(fputs(made, stream) >= 0);
		return;
	}
	expected[fread(expected, 1, sizeof(expected) - 1, stream)] = '\0';
	compare(name, expected, made);
}

static int is_table(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".txt") == 0;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[MACHINES_MAX] = { 0 };
	struct dirent **entries;
	int count, status;

	if (argc < 2)
		return 2;
	directory = argv[1];
	writing = argc > 2 && strcmp(argv[2], "--write") == 0;
	count = scandir(directory, &entries, is_table, alphasort);
	if (count < 14 || count > MACHINES_MAX)
		return 2;
	for (int i = 0; i < count; i++) {
		*strrchr(entries[i]->d_name, '.') = '\0';
		tests[i].name = entries[i]->d_name;
		tests[i].test_func = a_machine_has_the_view_that_is_expected;
		tests[i].initial_state = entries[i]->d_name;
	}
	status = _cmocka_run_group_tests("view", tests, (size_t)count, NULL, NULL);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return status;
}
