// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "privexec/relay.h"

int relay_open(struct relay *relay, int source, int sink)
{
	*relay = (struct relay){ .source = source, .sink = sink };
	relay->buffer = malloc(RELAY_BUFFER_SIZE);
	return relay->buffer ? 0 : -ENOMEM;
}

void relay_close(struct relay *relay)
{
	descriptor_close(&relay->source);
	descriptor_close(&relay->sink);
	free(relay->buffer);
	relay->buffer = NULL;
	relay->start = relay->end = 0;
}

void relay_end_source(struct relay *relay)
{
	descriptor_close(&relay->source);
	/* with the last byte gone, the reader at the other end sees the end of the file */
	if (relay->start == relay->end)
		descriptor_close(&relay->sink);
}

bool relay_is_over(const struct relay *relay)
{
	return relay->sink < 0 || (relay->source < 0 && relay->start == relay->end);
}

void relay_poll(const struct relay *relay, struct pollfd polled[2])
{
	bool full = relay->start < relay->end;

	polled[0] = (struct pollfd){ .fd = full ? -1 : relay->source, .events = POLLIN };
	/* without events the sink still tells when its reader is gone */
	polled[1] = (struct pollfd){ .fd = relay->sink, .events = full ? POLLOUT : 0 };
}

static void fill(struct relay *relay)
{
	ssize_t got;

	if (relay->source_socket)
		got = recv(relay->source, relay->buffer, RELAY_BUFFER_SIZE, MSG_DONTWAIT);
	else
		got = read(relay->source, relay->buffer, RELAY_BUFFER_SIZE);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* a terminal whose other end is closed says EIO: it has ended too */
	if (got <= 0) {
		if (relay->keep_source)
			relay->failed = true;
		else
			relay_end_source(relay);
		return;
	}
	relay->start = 0;
	relay->end = (size_t)got;
	if (relay->filter)
		relay->end = relay->filter(relay->filter_context, relay->buffer, relay->end);
}

static void drain(struct relay *relay)
{
	const char *bytes = relay->buffer + relay->start;
	size_t size = relay->end - relay->start;
	ssize_t sent;

	if (relay->sink_socket)
		sent = send(relay->sink, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		sent = write(relay->sink, bytes, size);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent < 0) {
		/* nobody will read it: who writes must see that, as without a relay */
		relay->start = relay->end = 0;
		descriptor_close(&relay->sink);
		descriptor_close(&relay->source);
		return;
	}
	relay->start += (size_t)sent;
	if (relay->start == relay->end && relay->source < 0)
		descriptor_close(&relay->sink);
}

void relay_move(struct relay *relay, const struct pollfd polled[2])
{
	if (relay->source >= 0 && polled[0].fd == relay->source && polled[0].revents)
		fill(relay);
	if (relay->sink >= 0 && relay->start < relay->end) {
		/* written at once without asking where that is safe: mostly there is room */
		if (!relay->sink_blocks || (polled[1].revents & (POLLOUT | POLLERR | POLLHUP)))
			drain(relay);
	} else if (relay->sink >= 0 && (polled[1].revents & (POLLERR | POLLHUP | POLLNVAL))) {
		descriptor_close(&relay->sink);
		descriptor_close(&relay->source);
	}
}
