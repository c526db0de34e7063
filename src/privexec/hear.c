// SPDX-License-Identifier: GPL-2.0-or-later
/* What keeper and init say. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "control/channel.h"
#include "privexec/session.h"
#include "privexec/status.h"
#include "privexec/words.h"

/* How long the session's processes may take to go after the keeper was killed, in milliseconds. */
#define GRACE_WITHOUT_KEEPER 1000

union body {
	struct message_started started;
	struct message_ended ended;
	struct message_terminal terminal;
	struct message_survivors survivors;
	uint8_t signal;
	int32_t number;
	char text[MESSAGE_TEXT_MAX + 1];
};

/* One packet. Returns the size of its body, which has zeros after it, or a negative errno; -EPIPE:
 * the other end is gone. */
static ssize_t receive(int channel, char *ret_type, union body *ret_body, int *ret_descriptor)
{
	char packet[1 + MESSAGE_TEXT_MAX];
	size_t count;
	ssize_t size;

	do {
		count = ret_descriptor ? 1 : 0;
		size = channel_receive(channel, packet, sizeof(packet), ret_descriptor, &count);
		/* an end that closed with packets unread says so once, before what it had sent */
	} while (size == -ECONNRESET);
	if (size <= 0)
		return size < 0 ? size : -EPIPE;
	*ret_type = packet[0];
	memset(ret_body, 0, sizeof(*ret_body));
	memcpy(ret_body, packet + 1, (size_t)size - 1);
	return size - 1;
}

static void hear_error(struct session *session, const char *text)
{
	terminal_release(&session->terminal, false);
	words_say("%s", text);
	session->status = 125;
	session->over = true;
	session->give_up = clock_milliseconds() + GRACE_WITHOUT_KEEPER;
}

static void print_plan(struct session *session, char *text, size_t size)
{
	session->status = 0;
	words_clean(text, size, true);
	descriptor_write_all(STDOUT_FILENO, text, size);
}

static void hear_started(struct session *session, const struct message_started *message)
{
	session->started = *message;
	session->started.id[SESSION_ID_LENGTH] = '\0';
	session->is_started = true;
	status_started(session->options->status_descriptor, &session->started,
		       session->options->request.name);
}

static void hear_ended(struct session *session, const struct message_ended *message)
{
	session->ended = *message;
	session->ended.cause[sizeof(message->cause) - 1] = '\0';
	session->has_ended = true;
	session->over = true;
	session->status = message->status & 0xff;
}

/* The keeper's channel is closed. Without a last word it was killed, and the session with it. */
static void hear_nothing(struct session *session)
{
	int status = 0;

	descriptor_close(&session->start.keeper);
	if (session->over)
		return;
	session->over = true;
	if (session->options->request.dry_run && session->status == 0)
		return;
	session->status = 125;
	session->give_up = clock_milliseconds() + GRACE_WITHOUT_KEEPER;
	terminal_release(&session->terminal, false);
	if (waitpid(session->start.keeper_process, &status, WNOHANG) > 0 && WIFSIGNALED(status))
		words_say("the keeper was killed (%s), and the session with it",
			  strsignal(WTERMSIG(status)));
	else
		words_say("the keeper is gone without a word%s",
			  session->is_started ? ", and the session with it"
					      : "; if this happens again, install privexec again");
}

void session_hear_keeper(struct session *session)
{
	union body body;
	ssize_t size;
	char type;

	while (session->start.keeper >= 0) {
		size = receive(session->start.keeper, &type, &body, NULL);
		if (size == -EAGAIN)
			return;
		if (size < 0) {
			hear_nothing(session);
			return;
		}
		switch (type) {
		case MESSAGE_ERROR:
			hear_error(session, body.text);
			break;
		case MESSAGE_WARNING:
		case MESSAGE_DEBUG: /* sent only where --debug or privexec.conf asks for it */
			words_say("%s", body.text);
			break;
		case MESSAGE_PLAN:
			print_plan(session, body.text, (size_t)size);
			break;
		case MESSAGE_STARTED:
			hear_started(session, &body.started);
			break;
		case MESSAGE_ENDED:
			hear_ended(session, &body.ended);
			break;
		default:
			break;
		}
	}
}

static void hear_ready(struct session *session, const struct message_terminal *message,
		       int *descriptor)
{
	int r = 0;

	session->is_ready = true;
	if (message->present && *descriptor >= 0)
		r = terminal_attach(&session->terminal, descriptor_take(descriptor));
	if (r < 0)
		hear_error(session, "cannot relay the session's terminal: out of memory");
}

static void hear_no_directory(int error)
{
	words_say("the session cannot enter the working directory (%s): the command starts in /",
		  strerror(error));
}

static void hear_exited(struct session *session, int status)
{
	session->status = status & 0xff;
	session->exited = true;
	session->terminal.over = true;
}

void session_hear_init(struct session *session)
{
	union body body;
	ssize_t size;
	char type;

	while (session->start.init >= 0) {
		_cleanup_close_ int descriptor = -1;

		size = receive(session->start.init, &type, &body, &descriptor);
		if (size == -EAGAIN)
			return;
		if (size < 0) {
			descriptor_close(&session->start.init);
			return;
		}
		switch (type) {
		case MESSAGE_READY:
			hear_ready(session, &body.terminal, &descriptor);
			break;
		case MESSAGE_STOPPED:
			session_stop(session, body.signal);
			break;
		case MESSAGE_WANTS_TERMINAL:
			session_grant_terminal(session, true);
			break;
		case MESSAGE_EXITED:
			hear_exited(session, body.number);
			break;
		case MESSAGE_CANNOT_EXECUTE:
			terminal_release(&session->terminal, false);
			session->not_executed = true;
			words_cannot_execute(body.number, body.text + sizeof(int32_t));
			break;
		case MESSAGE_NO_DIRECTORY:
			hear_no_directory(body.number);
			break;
		case MESSAGE_SURVIVORS:
			session->survivors = body.survivors;
			break;
		case MESSAGE_ERROR:
			hear_error(session, body.text);
			break;
		default:
			break;
		}
	}
}
