// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "privexec/words.h"

/* Does the locale, by the variables alone, write UTF-8? */
static bool speaks_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

void words_started(const struct message_started *started)
{
	const char *dot = speaks_utf8() ? " \u00b7 " : " - ";
	bool open = started->closing[0];

	words_say("session %s%sstore %s%sswap %s%snetwork %s%slabels %s%s%s%s", started->id, dot,
		  started->store, dot, started->swap, dot, started->network, dot, started->labels,
		  open ? dot : "", open ? "open: " : "", started->closing);
}

void words_started_more(const struct message_started *started)
{
	const char *dot = speaks_utf8() ? " \u00b7 " : " - ";
	char size[32];

	words_say("store of %s%sprivilege from %s%skeeper %d, first process %d",
		  choice_print_size(started->size, size, sizeof(size)), dot, started->authority,
		  dot, started->keeper, started->init);
}

void words_less(const struct message_started *started, uint64_t asked)
{
	const char *why = strncmp(started->store, "memory", 6) == 0
				  ? "no more memory may be promised to sessions now"
				  : "there is no more room on the disk now";
	char granted_size[32], asked_size[32];

	choice_print_size(started->size, granted_size, sizeof(granted_size));
	if (asked)
		words_say("the store holds %s, not the %s asked for: %s", granted_size,
			  choice_print_size(asked, asked_size, sizeof(asked_size)), why);
	else
		words_say("the store holds %s, less than privexec.conf asks for: %s", granted_size,
			  why);
}

void words_survivors(const struct message_survivors *survivors)
{
	unsigned all = survivors->terminated + survivors->killed;
	char killed[64] = "";

	if (all == 0)
		return;
	if (survivors->killed)
		snprintf(killed, sizeof(killed), " (%u by force)", survivors->killed);
	words_say("ended %u process%s that %s still running%s: %.*s "
		  "(--end=last would have waited)",
		  all, all == 1 ? "" : "es", all == 1 ? "was" : "were", killed,
		  (int)strnlen(survivors->names, sizeof(survivors->names)), survivors->names);
}

void words_cannot_execute(int error, const char *command)
{
	if (error == ENOENT && !strchr(command, '/'))
		words_say("'%s': command not found", command);
	else
		words_say("cannot execute '%s': %s", command, strerror(error));
}

const char *words_amount(const struct message_ended *ended, char *buffer, size_t size)
{
	char bytes[32];

	snprintf(buffer, size, "%llu file%s, %s", (unsigned long long)ended->files,
		 ended->files == 1 ? "" : "s",
		 choice_print_size(ended->bytes, bytes, sizeof(bytes)));
	return buffer;
}
