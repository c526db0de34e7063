// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mountinfo of any bytes; where it can be read, a plan is made of it and printed. The first byte of
 * the input holds facts of the machine, the second is mixed into the facts of each mount.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <json-c/json.h>

#include "plan/nodes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bits of the first byte. */
enum {
	WITHOUT_PRIVILEGE = 1 << 0,
	FOR_ROOT = 1 << 1,
	NO_NAMESPACES = 1 << 2,
	NO_SYSFS = 1 << 3,
	PROVEN = 1 << 4,
	LISTED_USR = 1 << 5,
	LISTED_SYS = 1 << 6,
	NOT_AUTOMATIC = 1 << 7,
};

/* Facts must be the same whenever the input is: they come from a path. */
static uint32_t hash(const char *text, uint8_t salt)
{
	uint32_t value = 2166136261u ^ salt;

	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * 16777619u;
	return value ^ value >> 15;
}

static void invent_facts(struct mount_table *mounts, uint8_t salt)
{
	for (size_t i = 0; i < mounts->count; i++) {
		uint32_t value = hash(mounts->entries[i].target, salt);
		static const mode_t types[] = { S_IFREG, S_IFSOCK };
		bool directory = value % 8 != 0;

		mounts->entries[i].facts = (struct mount_facts){
			.reach = value % 5 == 0 ? (enum mount_reach)(value / 5 % 4) : REACH_OK,
			.directory = directory,
			.idmappable = value % 3 != 0,
			.owner = value / 32 % 2 * 1000,
			.mode = (directory ? S_IFDIR : types[value / 64 % 2]) |
				(value / 128 & 0777),
		};
	}
}

/* Lists every fourth mount, in the order of the table, which is mount order. */
static void invent_list(const struct mount_table *mounts, uint8_t salt, struct mount_list *list)
{
	list->lines = calloc(mounts->count + 1, sizeof(*list->lines));
	if (!list->lines)
		abort();
	for (size_t i = 0; i < mounts->count; i++)
		if (hash(mounts->entries[i].target, salt) % 4 == 1)
			list->lines[list->count++] = (struct mount_line){
				.path = strdup(mounts->entries[i].target),
				.line = (unsigned)i + 1,
			};
}

/* What a session without privilege finds: the mount points and something beside each. */
static struct plan_entry *invent_entries(const struct mount_table *mounts, uint8_t salt)
{
	static const mode_t types[] = { S_IFDIR, S_IFDIR, S_IFREG, S_IFSOCK };
	struct plan_entry *entries = calloc(mounts->count * 2 + 1, sizeof(*entries));

	if (!entries)
		abort();
	for (size_t i = 0; i < mounts->count; i++) {
		const char *target = mounts->entries[i].target;
		uint32_t value = hash(target, (uint8_t)(salt + 1));
		char *beside = NULL;

		if (asprintf(&beside, "%s-beside", target) < 0)
			abort();
		entries[2 * i] = (struct plan_entry){
			.path = target,
			.mode = S_IFDIR | 0755,
			.writable = value % 2,
		};
		entries[2 * i + 1] = (struct plan_entry){
			.path = beside,
			.mode = types[value / 2 % 4],
			.writable = value / 8 % 2,
			.link = value / 16 % 4 == 0 ? target : NULL,
		};
	}
	return entries;
}

static void free_entries(struct plan_entry *entries, size_t mounts)
{
	for (size_t i = 0; i < mounts; i++)
		free((char *)entries[2 * i + 1].path);
	free(entries);
}

/* Parents come first, and no mount is there twice. */
static void check_table(const struct mount_table *mounts)
{
	for (size_t i = 0; i < mounts->count && i < 200; i++)
		for (size_t before = 0; before < i; before++)
			if (path_is_below(mounts->entries[before].target,
					  mounts->entries[i].target))
				abort();
}

static void check_tree(const struct plan *plan, const struct mount_table *mounts)
{
	plan_for_each_node (node, plan) {
		if (!node->reason[0] ||
		    (node->parent && !path_is_below(node->path, node->parent->path)))
			abort();
		if (node->first_child && node_hides(node) && node->fresh != FRESH_DEV &&
		    node->fresh != FRESH_PROC)
			abort();
		if (node->kind == NODE_PASS && strcmp(node->path, "/") == 0)
			abort();
	}
	/* no mount is skipped: that would show what it hides */
	for (size_t i = 0; i < mounts->count; i++) {
		const char *target = mounts->entries[i].target;
		const struct plan_node *node = tree_find(plan, target);

		if (!node || (strcmp(node->path, target) != 0 && !node_hides(node)))
			abort();
	}
}

static void check_print(const struct plan *plan)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct json_object *object;

	if (!stream)
		abort();
	plan_print_words(plan, stream);
	fflush(stream);
	for (size_t i = 0; i < size; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\n') || text[i] == 0x7f)
			abort();
	rewind(stream);
	if (plan_print_json(plan, stream) < 0)
		abort();
	fclose(stream);
	object = json_tokener_parse(text);
	if (!object)
		abort();
	json_object_put(object);
	free(text);
}

static void plan_for(struct mount_table *mounts, uint8_t flags, uint8_t salt)
{
	static const char *const proven[] = { "/usr", "/opt", "/a", NULL };
	struct plan_entry *entries = invent_entries(mounts, salt);
	static const struct probes probes;
	const struct plan_facts facts = {
		.probes = &probes,
		.authority = flags & WITHOUT_PRIVILEGE ? AUTHORITY_USER_NAMESPACE
						       : AUTHORITY_CAPABILITIES,
		.user_namespaces = !(flags & NO_NAMESPACES),
		.uid = flags & FOR_ROOT ? 0 : 1000,
		.gid = flags & FOR_ROOT ? 0 : 1000,
		.proven = flags & PROVEN ? proven : NULL,
		.proc_sys = !(flags & NO_SYSFS),
		.runtime = salt & 1,
		.entries = entries,
	};
	const struct request request = { .streams = { STREAM_PASSED, STREAM_CLOSED,
						      STREAM_TERMINAL } };
	struct configuration configuration;
	struct problem problem = { 0 };
	struct plan plan;

	configuration_defaults(&configuration);
	configuration.usr_mounts.automatic = !(flags & NOT_AUTOMATIC);
	if (flags & LISTED_USR)
		invent_list(mounts, (uint8_t)(salt + 2), &configuration.usr_mounts);
	if (flags & LISTED_SYS)
		invent_list(mounts, (uint8_t)(salt + 3), &configuration.sys_mounts);
	if (plan_make(&request, &configuration, mounts, &facts, &plan, &problem) == 0) {
		check_tree(&plan, mounts);
		check_print(&plan);
	} else if (!problem.text[0]) {
		abort();
	}
	plan_free(&plan);
	configuration_free(&configuration);
	free_entries(entries, mounts->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mount_table mounts;
	struct problem problem = { 0 };
	FILE *stream;

	if (size < 3)
		return 0;
	stream = fmemopen((void *)(data + 2), size - 2, "r");
	if (!stream)
		abort();
	if (mount_table_read(stream, "fuzz", &mounts, &problem) == 0) {
		check_table(&mounts);
		invent_facts(&mounts, data[1]);
		plan_for(&mounts, data[0], data[1]);
		mount_table_free(&mounts);
	} else if (!problem.text[0]) {
		abort();
	}
	fclose(stream);
	return 0;
}
