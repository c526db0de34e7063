// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/channel.h"

int channel_pair(int ret_ends[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
		return -errno;
	return 0;
}

/* One attempt; @flags for sendmsg(2). */
static int send_once(int channel, const void *data, size_t size, const int *descriptors,
		     size_t count, int flags)
{
	union {
		char bytes[CMSG_SPACE(CHANNEL_DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec part = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (count > CHANNEL_DESCRIPTORS_MAX)
		return -EINVAL;
	if (count > 0) {
		struct cmsghdr *header;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
	}
	while (sendmsg(channel, &message, MSG_NOSIGNAL | flags) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int channel_send(int channel, const void *data, size_t size, const int *descriptors, size_t count)
{
	return send_once(channel, data, size, descriptors, count, 0);
}

int channel_send_within(int channel, const void *data, size_t size, int milliseconds)
{
	int64_t limit = clock_milliseconds() + milliseconds;
	struct pollfd writable = { .fd = channel, .events = POLLOUT };
	int error;

	while ((error = send_once(channel, data, size, NULL, 0, MSG_DONTWAIT)) == -EAGAIN) {
		int64_t left = limit - clock_milliseconds();

		if (left <= 0)
			return -ETIMEDOUT;
		poll(&writable, 1, (int)left);
	}
	return error;
}

/* Moves the descriptors of @message into @ret_descriptors, closing those that find no room. */
static int take_descriptors(struct msghdr *message, int *ret_descriptors, size_t *ret_count)
{
	size_t room = *ret_count, taken = 0;
	int overflow = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
		size_t count;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int descriptor;

			memcpy(&descriptor, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (taken < room) {
				ret_descriptors[taken++] = descriptor;
			} else {
				close(descriptor);
				overflow = 1;
			}
		}
	}
	if (overflow || (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < taken; i++)
			close(ret_descriptors[i]);
		*ret_count = 0;
		return -EMSGSIZE;
	}
	*ret_count = taken;
	return 0;
}

ssize_t channel_receive(int channel, void *data, size_t size, int *ret_descriptors,
			size_t *ret_count)
{
	union {
		char bytes[CMSG_SPACE(CHANNEL_DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = data, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	size_t none = 0;
	ssize_t length;
	int error;

	do {
		length = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return -errno;
	error = take_descriptors(&message, ret_descriptors, ret_count ? ret_count : &none);
	return error ? error : length;
}
