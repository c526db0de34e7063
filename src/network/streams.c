// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "network/relayed.h"

static bool has_more(const struct half *half)
{
	return half->start < half->end;
}

void streams_poll(const struct stream *stream, struct pollfd polled[2])
{
	for (int i = 0; i < 2; i++) {
		const struct half *half = &stream->halves[i], *other = &stream->halves[!i];
		short events = 0;

		if (!half->over && !has_more(half) && !stream->connecting)
			events |= POLLIN;
		if (has_more(other) || (i == 1 && stream->connecting))
			events |= POLLOUT;
		/* without an event it would only be woken by an end that it is not ready for */
		polled[i] = (struct pollfd){ .fd = events ? half->socket : -1, .events = events };
	}
}

void streams_close(struct stream *stream)
{
	descriptor_close(&stream->halves[0].socket);
	descriptor_close(&stream->halves[1].socket);
}

/* Did the server take the connection? */
static bool is_connected(const struct stream *stream)
{
	int error = 0;
	socklen_t size = sizeof(error);

	return getsockopt(stream->halves[1].socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
	       error == 0;
}

static void fill(struct half *half)
{
	ssize_t length = recv(half->socket, half->bytes, sizeof(half->bytes), MSG_DONTWAIT);

	if (length > 0) {
		half->start = 0;
		half->end = (size_t)length;
	} else if (length == 0 || (errno != EAGAIN && errno != EINTR)) {
		half->over = true;
	}
}

/* Gives @other what @half has. False when it takes nothing any more. */
static bool drain(struct half *half, const struct half *other)
{
	while (has_more(half)) {
		ssize_t length = send(other->socket, half->bytes + half->start,
				      half->end - half->start, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (length < 0)
			return errno == EAGAIN || errno == EINTR;
		half->start += (size_t)length;
	}
	if (half->over && !half->told) {
		shutdown(other->socket, SHUT_WR);
		half->told = true;
	}
	return true;
}

void streams_move(struct stream *stream, const struct pollfd polled[2], int64_t now)
{
	struct half *halves = stream->halves;

	if (!polled[0].revents && !polled[1].revents)
		return;
	stream->deadline = now + STREAM_MILLISECONDS;
	if (stream->connecting && polled[1].revents) {
		if (!is_connected(stream)) {
			streams_close(stream);
			return;
		}
		stream->connecting = false;
	}
	for (int i = 0; i < 2; i++) {
		if ((polled[i].revents & ~POLLOUT) && !halves[i].over && !has_more(&halves[i]))
			fill(&halves[i]);
		if (!drain(&halves[i], &halves[!i])) {
			streams_close(stream);
			return;
		}
	}
	if (halves[0].told && halves[1].told)
		streams_close(stream);
}
