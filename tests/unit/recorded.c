// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "recorded.h"

#define USER 1000

const struct probes recorded_probes = {
	.words = {
		[PROBE_DISK] = { .reason = "the test has no disk" },
		[PROBE_DM_CRYPT] = { .reason = "the test has no dm-crypt" },
		[PROBE_FSCRYPT] = { .reason = "the test has no fscrypt" },
		[PROBE_NO_HIBERNATION] = { .reason = "the test has no secret memory" },
		[PROBE_RAM_SCRUB] = { .reason = "the test clears nothing" },
		[PROBE_NETWORK] = { .reason = "the test has no pasta; install it" },
		[PROBE_GUARD] = { .reason = "the test guards nothing; mend it" },
	},
};

/* A line of facts, cut into words. */
struct fact {
	char *words[4];
	size_t count;
};

/* Replaces escapes such as \040 in @text. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static void cut(char *line, struct fact *fact)
{
	char *word;

	fact->count = 0;
	while ((word = strsep(&line, " \n")) != NULL)
		if (*word) {
			assert_true(fact->count < 4);
			unescape(word);
			fact->words[fact->count++] = word;
		}
}

static char *copy(const char *text)
{
	char *copied = strdup(text);

	assert_non_null(copied);
	return copied;
}

static struct mount_entry *find_mount(struct recorded *recorded, const char *path)
{
	for (size_t i = 0; i < recorded->mounts.count; i++)
		if (strcmp(recorded->mounts.entries[i].target, path) == 0)
			return &recorded->mounts.entries[i];
	fail_msg("the facts name %s, where nothing that can be seen is mounted", path);
	return NULL;
}

static void take_entry(struct recorded *recorded, const struct fact *fact)
{
	static const struct {
		const char *word;
		mode_t mode;
		bool writable;
	} kinds[] = {
		{ "dir", S_IFDIR | 0755, false },	   { "writable", S_IFDIR | 0755, true },
		{ "file", S_IFREG | 0644, false },	   { "link", S_IFLNK | 0777, false },
		{ "writable-file", S_IFREG | 0644, true }, { "socket", S_IFSOCK | 0666, false },
	};
	struct plan_entry *entry;

	recorded->entries = reallocarray(recorded->entries, recorded->entry_count + 2,
					 sizeof(*recorded->entries));
	assert_non_null(recorded->entries);
	entry = &recorded->entries[recorded->entry_count++];
	entry[0] = entry[1] = (struct plan_entry){ 0 };
	assert_true(fact->count >= 3);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(fact->words[1], kinds[i].word) == 0) {
			entry->path = copy(fact->words[2]);
			entry->mode = kinds[i].mode;
			entry->writable = kinds[i].writable;
			entry->link = fact->count > 3 ? copy(fact->words[3]) : NULL;
			return;
		}
	fail_msg("the facts have an entry of unknown kind %s", fact->words[1]);
}

static void take_proven(struct recorded *recorded, const char *path)
{
	recorded->proven = reallocarray(recorded->proven, recorded->proven_count + 2,
					sizeof(*recorded->proven));
	assert_non_null(recorded->proven);
	recorded->proven[recorded->proven_count++] = copy(path);
	recorded->proven[recorded->proven_count] = NULL;
}

static enum mount_reach reach_of(const char *word)
{
	if (strcmp(word, "denied") == 0)
		return REACH_DENIED;
	if (strcmp(word, "hung") == 0)
		return REACH_HUNG;
	assert_string_equal(word, "failed");
	return REACH_FAILED;
}

static void take_fact(struct recorded *recorded, const struct fact *fact)
{
	const char *word = fact->words[0];
	struct mount_facts *facts;

	assert_true(fact->count >= 2);
	if (strcmp(word, "entry") == 0) {
		take_entry(recorded, fact);
		return;
	}
	if (strcmp(word, "proven") == 0) {
		take_proven(recorded, fact->words[1]);
		return;
	}
	facts = &find_mount(recorded, fact->words[1])->facts;
	if (strcmp(word, "fixed") == 0) {
		facts->idmappable = false;
		return;
	}
	assert_true(fact->count >= 3);
	if (strcmp(word, "reach") == 0) {
		facts->reach = reach_of(fact->words[2]);
		return;
	}
	assert_true(strcmp(word, "owner") == 0 || strcmp(word, "file") == 0);
	assert_int_equal(fact->count, 4);
	facts->owner = (uid_t)strtoul(fact->words[2], NULL, 10);
	facts->mode = (mode_t)strtoul(fact->words[3], NULL, 8);
	facts->directory = strcmp(word, "owner") == 0;
}

static FILE *open_recorded(const char *directory, const char *name, const char *suffix)
{
	char path[4096];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%s%s", directory, name, suffix);
	stream = fopen(path, "r");
	if (!stream)
		fail_msg("cannot open %s", path);
	return stream;
}

void recorded_load(const char *directory, const char *name, struct recorded *ret_recorded)
{
	struct recorded *recorded = ret_recorded;
	_cleanup_file_ FILE *table = open_recorded(directory, name, ".txt");
	_cleanup_file_ FILE *facts = open_recorded(directory, name, ".facts");
	struct problem problem = { 0 };
	char line[4096];

	*recorded = (struct recorded){ .probes = &recorded_probes };
	if (mount_table_read(table, name, &recorded->mounts, &problem) < 0)
		fail_msg("%s", problem.text);
	for (size_t i = 0; i < recorded->mounts.count; i++)
		recorded->mounts.entries[i].facts = (struct mount_facts){
			.directory = true,
			.idmappable = true,
			.mode = S_IFDIR | 0755,
		};
	while (fgets(line, sizeof(line), facts)) {
		struct fact fact;

		if (line[0] == '#')
			continue;
		cut(line, &fact);
		if (fact.count > 0)
			take_fact(recorded, &fact);
	}
}

void recorded_free(struct recorded *recorded)
{
	mount_table_free(&recorded->mounts);
	for (size_t i = 0; i < recorded->proven_count; i++)
		free((char *)recorded->proven[i]);
	free(recorded->proven);
	for (size_t i = 0; i < recorded->entry_count; i++) {
		free((char *)recorded->entries[i].path);
		free((char *)recorded->entries[i].link);
	}
	free(recorded->entries);
	*recorded = (struct recorded){ 0 };
}

/* What was recorded is what the user can reach. Nothing but somebody's FUSE is closed to root. */
static struct mount_table mounts_for_root(const struct recorded *recorded)
{
	struct mount_table mounts = {
		.entries = calloc(recorded->mounts.count + 1, sizeof(*mounts.entries)),
		.count = recorded->mounts.count,
	};

	assert_non_null(mounts.entries);
	for (size_t i = 0; i < mounts.count; i++) {
		mounts.entries[i] = recorded->mounts.entries[i];
		if (mounts.entries[i].facts.reach == REACH_DENIED &&
		    strncmp(mounts.entries[i].type, "fuse", 4) != 0)
			mounts.entries[i].facts.reach = REACH_OK;
	}
	return mounts;
}

int recorded_plan(struct recorded *recorded, enum who who,
		  const struct configuration *configuration, const struct request *request,
		  struct plan *ret_plan, struct problem *problem)
{
	const struct request nothing = { .streams = { STREAM_PASSED, STREAM_PASSED,
						      STREAM_TERMINAL } };
	const struct plan_facts facts = {
		.probes = recorded->probes,
		.authority =
			who == WHO_ROOTLESS ? AUTHORITY_USER_NAMESPACE : AUTHORITY_CAPABILITIES,
		.user_namespaces = true,
		.uid = who == WHO_ROOT ? 0 : USER,
		.gid = who == WHO_ROOT ? 0 : USER,
		.proven = recorded->proven,
		/* without privilege there is no sysfs in the host's network namespace */
		.proc_sys = who != WHO_ROOTLESS,
		.entries = recorded->entries,
	};
	struct configuration defaults;
	struct mount_table mounts = recorded->mounts;
	int r;

	configuration_defaults(&defaults);
	if (who == WHO_ROOT)
		mounts = mounts_for_root(recorded);
	r = plan_make(request ? request : &nothing, configuration ? configuration : &defaults,
		      &mounts, &facts, ret_plan, problem);
	if (who == WHO_ROOT)
		free(mounts.entries); /* their texts are still the recorded ones' */
	configuration_free(&defaults);
	return r;
}
