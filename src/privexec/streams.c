// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "privexec/streams.h"

static const char *const stream_names[] = { "standard input", "standard output", "standard error" };

/* What is known of one of the three. */
struct stream {
	int number;
	int flags; /* of open(2) */
	struct stat status;
};

static int refuse(const struct stream *stream, const char *what, const char *cure,
		  struct problem *problem)
{
	return problem_set(problem, EINVAL, "%s is %s, which would open a way to the host: %s",
			   stream_names[stream->number], what, cure);
}

static int check(const struct stream *stream, struct problem *problem)
{
	if (stream->flags & O_PATH)
		return refuse(stream, "a bare path", "open it for reading or writing", problem);
	switch (stream->status.st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFIFO:
	case S_IFCHR:
	case S_IFSOCK:
		return 0;
	case S_IFDIR:
		return refuse(stream, "a directory", "redirect it to a file or /dev/null", problem);
	case S_IFBLK:
		return refuse(stream, "a block device", "pipe it through cat", problem);
	default:
		return refuse(stream, "no file, pipe, socket or terminal",
			      "redirect it to one or to /dev/null", problem);
	}
}

/* Does data leave the session by this stream? */
static bool is_output(const struct stream *stream)
{
	int mode = stream->flags & O_ACCMODE;

	return mode == O_WRONLY || (mode == O_RDWR && stream->number != 0);
}

/*
 * An append-only file could be reopened without O_APPEND through /proc/self/fd, and a socket would
 * carry descriptors: neither goes in, a pipe does, and the front relays.
 */
static bool needs_relay(const struct stream *stream)
{
	if (S_ISSOCK(stream->status.st_mode))
		return true;
	return S_ISREG(stream->status.st_mode) && (stream->flags & O_APPEND) &&
	       (stream->flags & O_ACCMODE) != O_RDONLY;
}

/* Makes a pipe and a relay between it and @stream; *ret_inner is the session's end of the pipe. */
static int add_relay(const struct stream *stream, struct streams *streams, int *ret_inner)
{
	bool output = is_output(stream), is_socket = S_ISSOCK(stream->status.st_mode);
	struct relay *relay = &streams->relays[streams->relay_count];
	_cleanup_close_ int own = fcntl(stream->number, F_DUPFD_CLOEXEC, 3);
	int ends[2], r;

	if (own < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fcntl(ends[output ? 0 : 1], F_SETFL, O_NONBLOCK);
	*ret_inner = ends[output ? 1 : 0];
	if (output)
		r = relay_open(relay, ends[0], descriptor_take(&own));
	else
		r = relay_open(relay, descriptor_take(&own), ends[1]);
	relay->source_socket = is_socket && !output;
	relay->sink_socket = is_socket && output;
	relay->outward = output;
	streams->relay_count++;
	return r;
}

static int classify(const struct stream *stream, struct streams *streams)
{
	int *passed = &streams->passed[stream->number];

	if (isatty(stream->number)) {
		streams->choices[stream->number] = STREAM_TERMINAL;
		return 0;
	}
	streams->choices[stream->number] = STREAM_PASSED;
	if (needs_relay(stream))
		return add_relay(stream, streams, passed);
	*passed = fcntl(stream->number, F_DUPFD_CLOEXEC, 3);
	return *passed < 0 ? -errno : 0;
}

/* Is @two the same open end as @one, so that one relay keeps the order of what both are told? */
static bool share_relay(const struct stream *one, const struct stream *two)
{
	return needs_relay(one) && needs_relay(two) && is_output(one) && is_output(two) &&
	       one->status.st_dev == two->status.st_dev && one->status.st_ino == two->status.st_ino;
}

int streams_prepare(int closed, struct streams *ret_streams, struct problem *problem)
{
	struct streams streams = { .passed = { -1, -1, -1 } };
	struct stream known[3] = { 0 };

	for (int i = 0; i < 3; i++) {
		struct stream *stream = &known[i];
		int r;

		if (closed & 1 << i)
			continue; /* STREAM_CLOSED */
		stream->number = i;
		stream->flags = fcntl(i, F_GETFL);
		if (stream->flags < 0 || fstat(i, &stream->status) < 0)
			return problem_set(problem, errno, "cannot examine %s: %s", stream_names[i],
					   strerror(errno));
		r = check(stream, problem);
		if (r < 0)
			return r;
		if (i == 2 && !(closed & 2) && share_relay(&known[1], stream)) {
			streams.choices[2] = STREAM_PASSED;
			streams.passed[2] = fcntl(streams.passed[1], F_DUPFD_CLOEXEC, 3);
			r = streams.passed[2] < 0 ? -errno : 0;
		} else {
			r = classify(stream, &streams);
		}
		if (r < 0)
			return problem_set(problem, -r, "cannot prepare %s: %s%s", stream_names[i],
					   strerror(-r),
					   r == -EMFILE ? "; raise the limit (ulimit -n)" : "");
	}
	*ret_streams = streams;
	return 0;
}

void streams_sent(struct streams *streams)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++) {
		descriptor_close(&streams->passed[i]);
		/* standard error stays: the front's own words go there */
		if (i < 2 && streams->choices[i] == STREAM_PASSED && null >= 0)
			dup2(null, i);
	}
}
