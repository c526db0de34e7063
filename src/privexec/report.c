// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "privexec/report.h"
#include "privexec/words.h"

int report_print_words(const struct report *report, FILE *stream)
{
	const struct message_survivors *survivors = report->survivors;
	char amount[64];

	fprintf(stream, "privexec: session %s%s%s%s: %lld.%03lld s, status %d\n",
		report->started->id, *report->name ? " (" : "", report->name,
		*report->name ? ")" : "", (long long)report->milliseconds / 1000,
		(long long)report->milliseconds % 1000, report->ended->status);
	fprintf(stream, "privexec: discarded %s\n",
		words_amount(report->ended, amount, sizeof(amount)));
	if (survivors->terminated || survivors->killed)
		fprintf(stream, "privexec: ended %u process%s, killed %u\n", survivors->terminated,
			survivors->terminated == 1 ? "" : "es", survivors->killed);
	if (report->ended->cause[0])
		fprintf(stream, "privexec: ended early: %s\n", report->ended->cause);
	return ferror(stream) || fflush(stream) != 0 ? -EIO : 0;
}

int report_print_json(const struct report *report, FILE *stream)
{
	const struct message_started *started = report->started;
	const struct message_ended *ended = report->ended;
	struct json_object *object = json_object_new_object();
	int failed;

	if (!object)
		return -ENOMEM;
	json_object_object_add(object, "v", json_object_new_int(1));
	json_object_object_add(object, "session", json_object_new_string(started->id));
	json_object_object_add(object, "name", json_object_new_string(report->name));
	json_object_object_add(object, "store", json_object_new_string(started->store));
	json_object_object_add(object, "swap", json_object_new_string(started->swap));
	json_object_object_add(object, "network", json_object_new_string(started->network));
	json_object_object_add(object, "labels", json_object_new_string(started->labels));
	json_object_object_add(object, "milliseconds", json_object_new_int64(report->milliseconds));
	json_object_object_add(object, "status", json_object_new_int(ended->status));
	json_object_object_add(object, "files", json_object_new_int64((int64_t)ended->files));
	json_object_object_add(object, "bytes", json_object_new_int64((int64_t)ended->bytes));
	json_object_object_add(object, "processes_terminated",
			       json_object_new_int64(report->survivors->terminated));
	json_object_object_add(object, "processes_killed",
			       json_object_new_int64(report->survivors->killed));
	json_object_object_add(object, "cause", json_object_new_string(ended->cause));
	fprintf(stream, "%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	failed = ferror(stream) || fflush(stream) != 0;
	json_object_put(object);
	return failed ? -EIO : 0;
}
