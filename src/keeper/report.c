// SPDX-License-Identifier: GPL-2.0-or-later
/* What the keeper tells the front, and what state.json tells everybody else of the same user. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "control/channel.h"
#include "keeper/session.h"

/* A front that does not read for so long is told nothing more: nobody else may have to wait for it.
 */
#define SEND_MILLISECONDS 5000

static void send_packet(const struct session *session, enum message_type type, const void *body,
			size_t size)
{
	static bool deaf;
	char packet[1 + MESSAGE_TEXT_MAX];

	if (deaf)
		return;
	packet[0] = (char)type;
	memcpy(packet + 1, body, size);
	deaf = channel_send_within(session->front, packet, size + 1, SEND_MILLISECONDS) ==
	       -ETIMEDOUT;
}

void session_say(const struct session *session, enum message_type type, const char *format, ...)
{
	char text[MESSAGE_TEXT_MAX];
	va_list arguments;
	int length;

	if (type == MESSAGE_DEBUG && !session->request.debug && !session->configuration.debug)
		return;
	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	send_packet(session, type, text,
		    (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

void session_say_plan(const struct session *session)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return;
	if (session->request.json)
		plan_print_json(&session->plan, stream);
	else
		plan_print_words(&session->plan, stream);
	fclose(stream);
	for (size_t at = 0; at < size; at += MESSAGE_TEXT_MAX)
		send_packet(session, MESSAGE_PLAN, text + at,
			    size - at < MESSAGE_TEXT_MAX ? size - at : MESSAGE_TEXT_MAX);
}

/* Where the key of a store was born. */
static const char *key_words(enum store_choice kind)
{
	switch (kind) {
	case STORE_DM_CRYPT:
		return " (kernel key)";
	case STORE_FSCRYPT:
		return " (key passed through user memory)";
	default:
		return "";
	}
}

void session_say_started(const struct session *session)
{
	struct message_started started = {
		.size = session->store.size,
		.keeper = session->keeper_pid,
		.init = session->init_pid,
		.said_less = session->plan.granted_less,
	};
	char size[32];

	memcpy(started.id, session->state.id, sizeof(started.id));
	snprintf(started.store, sizeof(started.store), "%s %s%s",
		 choice_word(choices_store, session->store.kind),
		 choice_print_size(session->store.size, size, sizeof(size)),
		 key_words(session->store.kind));
	snprintf(started.swap, sizeof(started.swap), "%s", session->swap.word);
	snprintf(started.network, sizeof(started.network), "%s", session->plan.network_words);
	snprintf(started.labels, sizeof(started.labels), "off");
	snprintf(started.authority, sizeof(started.authority), "%s", session->authority.source);
	if (session->plan.closing == CLOSING_NONE)
		snprintf(started.closing, sizeof(started.closing),
			 "to your other processes (user namespaces are off)");
	send_packet(session, MESSAGE_STARTED, &started, sizeof(started));
}

void session_say_ended(const struct session *session, const struct message_ended *ended)
{
	send_packet(session, MESSAGE_ENDED, ended, sizeof(*ended));
}

/* Every text in it is from a fixed vocabulary (the name: letters, digits, ".", "_", "-"). */
int session_describe(const struct session *session, struct problem *problem)
{
	char json[1024];

	snprintf(json, sizeof(json),
		 "{\"v\":1,\"id\":\"%s\",\"name\":\"%s\",\"started\":%lld,\"store\":\"%s\","
		 "\"size\":%llu,\"net\":\"%s\",\"labels\":\"off\",\"swap\":\"%s\","
		 "\"authority\":\"%s\",\"pids\":{\"front\":%d,\"keeper\":%d,\"init\":%d}}\n",
		 session->state.id, session->request.name, (long long)time(NULL),
		 choice_word(choices_store, session->store.kind),
		 (unsigned long long)session->store.size,
		 choice_word(choices_network, session->plan.network), session->swap.word,
		 session->authority.source, session->front_pid, session->keeper_pid,
		 session->init_pid);
	return state_describe(&session->state, json, problem);
}
