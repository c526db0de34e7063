/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request: what the front asks of the keeper. One packet of at most REQUEST_SIZE_MAX bytes that
 * holds NUL-terminated KEY=VALUE strings, and the descriptors of enum request_descriptor. The front
 * is not trusted: request_parse() is the only place that looks at the bytes, and it is fuzzed.
 * The keys and their values are listed in docs/formats.md.
 */
#ifndef PRIVEXEC_CONTROL_REQUEST_H
#define PRIVEXEC_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/problem.h"
#include "control/choices.h"

#define REQUEST_VERSION 1
#define REQUEST_SIZE_MAX 4096
#define REQUEST_NAME_MAX 32

/* What becomes of standard input, output and error. */
enum stream_choice {
	STREAM_CLOSED,	 /* was closed: stays so */
	STREAM_PASSED,	 /* the descriptor sent is the command's, or what the keeper makes of it */
	STREAM_TERMINAL, /* the session's own terminal takes its place; nothing is sent */
};

/* The descriptors of a request, in this order; streams that are not STREAM_PASSED are left out. */
enum request_descriptor {
	REQUEST_ARGUMENTS,   /* memfd: NUL-terminated strings, the command and its arguments */
	REQUEST_ENVIRONMENT, /* memfd: NUL-terminated strings */
	REQUEST_DIRECTORY,   /* memfd: the path of the working directory, not NUL-terminated */
	REQUEST_FRONT,	     /* the end of the front's channel that is for init */
	REQUEST_STREAMS,     /* the first of up to three streams */
	REQUEST_DESCRIPTORS_MAX = REQUEST_STREAMS + 3,
};

struct request {
	enum store_choice store;
	uint64_t size; /* bytes, 0: not said */
	enum network_choice network;
	enum end_choice end;
	unsigned require; /* mask; added to the configuration's */
	unsigned relax;	  /* mask, meaningful when relax_said */
	bool relax_said;
	bool dry_run, json, debug;
	char name[REQUEST_NAME_MAX + 1]; /* letters, digits, '.', '_', '-'; empty: not said */
	enum stream_choice streams[3];
	bool terminal_lazy; /* the command starts in the background of the session's terminal */
	mode_t umask;
	uint64_t signals_ignored; /* bit n-1: signal n was ignored when the front started */
	uint64_t signals_blocked;
};

/* The number of descriptors that must come with @request. */
size_t request_descriptor_count(const struct request *request);

/*
 * Checks and reads @size bytes. Every key must be known, at most once, and well-formed; version,
 * umask and streams must be there. Returns 0 or a negative errno with @problem filled.
 */
int request_parse(const char *bytes, size_t size, struct request *ret_request,
		  struct problem *problem);

/* Writes @request to @bytes. Returns the size, or a negative errno when it does not fit. */
ssize_t request_format(const struct request *request, char *bytes, size_t size);

#endif
