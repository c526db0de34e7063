// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "control/channel.h"
#include "init/resolver.h"
#include "init/state.h"
#include "init/survivors.h"

/* So many packets are taken before init looks after its other duties again. */
#define PACKETS_AT_ONCE 16

static int send_packet(const struct init_state *init, enum message_type type, const void *body,
		       size_t size, const int *descriptors, size_t count)
{
	char packet[1 + MESSAGE_TEXT_MAX];

	if (init->front < 0)
		return -EPIPE;
	if (size > MESSAGE_TEXT_MAX)
		size = MESSAGE_TEXT_MAX;
	packet[0] = (char)type;
	if (size > 0)
		memcpy(packet + 1, body, size);
	return channel_send(init->front, packet, 1 + size, descriptors, count);
}

int front_tell(const struct init_state *init, enum message_type type, const void *body, size_t size)
{
	return send_packet(init, type, body, size, NULL, 0);
}

void front_tell_stop(struct init_state *init)
{
	int r;

	if (!init->stop_message)
		return;
	if (init->stop_message == MESSAGE_STOPPED)
		r = front_tell(init, MESSAGE_STOPPED, &init->stop_signal, 1);
	else
		r = front_tell(init, MESSAGE_WANTS_TERMINAL, NULL, 0);
	if (r != -EAGAIN)
		init->stop_message = 0;
}

int front_make_ready(struct init_state *init)
{
	struct message_terminal message = { 0 };
	const struct request *request = init->context->request;
	int r;

	for (int i = 0; i < 3; i++)
		if (request->streams[i] == STREAM_TERMINAL)
			message.present = 1;
	if (message.present) {
		r = inner_terminal_open(&init->terminal);
		if (r < 0)
			return r;
	}
	r = send_packet(init, MESSAGE_READY, &message, sizeof(message), &init->terminal.outer,
			message.present);
	/* with the front holding the only outer end, its death hangs the terminal up */
	descriptor_close(&init->terminal.outer);
	return r;
}

/*
 * With --end=last and the command gone, these say that nobody wants to wait any longer. What is
 * left may well ignore them: a shell has its background commands ignore the keyboard's.
 */
static bool ends_waiting(int signal)
{
	return signal == SIGINT || signal == SIGQUIT || signal == SIGTERM || signal == SIGHUP;
}

static void deliver(struct init_state *init, const char *body, size_t size)
{
	struct message_signal message;
	pid_t command = init->command.process;

	if (size != sizeof(message))
		return;
	memcpy(&message, body, sizeof(message));
	if (message.number < 1 || message.number > 64)
		return;
	if (command > 0 && message.group)
		kill(-inner_terminal_target(&init->terminal, command), message.number);
	else if (command > 0)
		kill(command, message.number);
	else if (init->phase >= PHASE_TERMINATED)
		init_kill_rest(init); /* whoever sent it has waited long enough */
	else if (init->phase == PHASE_RUNNING && ends_waiting(message.number))
		init_end_rest(init, SIGTERM, GRACE_AFTER_COMMAND);
	else if (init->phase == PHASE_RUNNING)
		survivors_signal(message.number);
}

static void go_on(struct init_state *init, const char *body, size_t size)
{
	pid_t command = init->command.process, group;

	if (command <= 0)
		return;
	if (size == 1 && body[0] == 1) {
		group = inner_terminal_resume(&init->terminal, command);
		if (group != command)
			kill(-group, SIGCONT);
	} else if (init->stopped) {
		inner_terminal_take_back(&init->terminal);
	}
	init->stop_message = 0;
	kill(-command, SIGCONT);
}

static void take_packet(struct init_state *init, const char *packet, size_t size, int descriptor)
{
	const char *body = packet + 1;

	size--;
	switch (packet[0]) {
	case MESSAGE_GO:
		if (init->phase == PHASE_WAITING)
			init_start_command(init);
		break;
	case MESSAGE_SIGNAL:
		deliver(init, body, size);
		break;
	case MESSAGE_CONTINUE:
		go_on(init, body, size);
		break;
	case MESSAGE_RESOLVER:
		if (descriptor >= 0)
			resolver_rewrite(init->context->resolver, descriptor);
		break;
	default:
		break; /* the front is not trusted: what it should not say is not heard */
	}
}

void front_receive(struct init_state *init)
{
	char packet[64];

	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		_cleanup_close_ int descriptor = -1;
		size_t count = 1;
		ssize_t size =
			channel_receive(init->front, packet, sizeof(packet), &descriptor, &count);

		if (size == -EAGAIN)
			return;
		if (size == -EMSGSIZE)
			continue;
		if (size <= 0) {
			descriptor_close(&init->front);
			return;
		}
		take_packet(init, packet, (size_t)size, descriptor);
	}
}
