/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel: a Unix SOCK_SEQPACKET pair that carries short packets and descriptors. */
#ifndef PRIVEXEC_CONTROL_CHANNEL_H
#define PRIVEXEC_CONTROL_CHANNEL_H

#include <stddef.h>
#include <sys/types.h>

#define CHANNEL_DESCRIPTORS_MAX 16

/* Makes a connected pair, both ends close-on-exec. 0 or a negative errno. */
int channel_pair(int ret_ends[2]);

/*
 * Sends one packet with @count descriptors (at most CHANNEL_DESCRIPTORS_MAX; they stay the
 * caller's). Never raises SIGPIPE. Returns 0 or a negative errno.
 */
int channel_send(int channel, const void *data, size_t size, const int *descriptors, size_t count);

/* The same without descriptors, for a peer that may not be reading: -ETIMEDOUT after @milliseconds.
 */
int channel_send_within(int channel, const void *data, size_t size, int milliseconds);

/*
 * Receives one packet of at most @size bytes. *ret_count is room in @ret_descriptors on entry and
 * the number received on return; they are close-on-exec and the caller's. Descriptors that find no
 * room are closed and make the call fail with -EMSGSIZE, as does a packet that is too long.
 * Returns the packet's length, 0 when the other end is gone, or a negative errno.
 */
ssize_t channel_receive(int channel, void *data, size_t size, int *ret_descriptors,
			size_t *ret_count);

#endif
