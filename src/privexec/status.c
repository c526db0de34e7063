// SPDX-License-Identifier: GPL-2.0-or-later
#include <json-c/json.h>
#include <string.h>

#include "base/descriptor.h"
#include "privexec/status.h"

static struct json_object *new_event(const char *event)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "v", json_object_new_int(1));
	json_object_object_add(object, "event", json_object_new_string(event));
	return object;
}

static void add_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_int64((int64_t)value));
}

static void add_truth(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

/* Writes @object as a line and frees it. */
static void write_event(int descriptor, struct json_object *object)
{
	size_t length;
	const char *text =
		json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &length);
	char *line = text ? malloc(length + 1) : NULL;

	if (line) {
		memcpy(line, text, length);
		line[length] = '\n';
		descriptor_write_all(descriptor, line, length + 1);
		free(line);
	}
	json_object_put(object);
}

void status_started(int descriptor, const struct message_started *started, const char *name)
{
	struct json_object *object;

	if (descriptor < 0)
		return;
	object = new_event("started");
	add_string(object, "session", started->id);
	add_string(object, "name", name);
	add_string(object, "store", started->store);
	add_number(object, "size", started->size);
	add_truth(object, "less", started->said_less);
	add_string(object, "swap", started->swap);
	add_string(object, "network", started->network);
	add_string(object, "labels", started->labels);
	add_string(object, "open", started->closing);
	add_string(object, "authority", started->authority);
	add_number(object, "keeper", (uint64_t)started->keeper);
	add_number(object, "init", (uint64_t)started->init);
	write_event(descriptor, object);
}

void status_stopped(int descriptor, int signal)
{
	struct json_object *object;

	if (descriptor < 0)
		return;
	object = new_event("stopped");
	add_number(object, "signal", (uint64_t)signal);
	write_event(descriptor, object);
}

void status_continued(int descriptor)
{
	if (descriptor >= 0)
		write_event(descriptor, new_event("continued"));
}

void status_ended(int descriptor, const struct message_ended *ended,
		  const struct message_survivors *survivors, bool executed)
{
	struct json_object *object;

	if (descriptor < 0)
		return;
	object = new_event("ended");
	add_number(object, "status", (uint64_t)ended->status);
	add_truth(object, "executed", executed);
	add_number(object, "files", ended->files);
	add_number(object, "bytes", ended->bytes);
	add_number(object, "terminated", survivors->terminated);
	add_number(object, "killed", survivors->killed);
	add_string(object, "cause", ended->cause);
	write_event(descriptor, object);
}
