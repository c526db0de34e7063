// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "network/pasta.h"

/* Never looked for anywhere else: it carries all that the session says to others. */
#define PASTA_DIRECTORY "usr", "bin"
#define PASTA_NAME "pasta"
#define PASTA_PATH "/usr/bin/" PASTA_NAME

/*
 * In the foreground and quiet, so that it ends with its process group's first; the interface is
 * configured by it as the host's; no port of either side is forwarded, and the address of the
 * gateway stays the gateway's (else it would stand for the host). Descriptor 0 is the namespace, 1
 * takes the line by which it says that it is ready, 2 what it has to complain of until then. Later
 * it must not write anywhere: not to the system's log either.
 */
#define ALWAYS                                                                                  \
	PASTA_NAME, "-f", "-q", "--config-net", "-t", "none", "-u", "none", "-T", "none", "-U", \
		"none", "--no-map-gw", "-M", GATEWAY_MAC, "--netns", "/proc/self/fd/0",         \
		"--no-netns-quit", "-P", "/proc/self/fd/1", "-l", "/dev/null"

/* Of what answers for everybody else. Without one that is said, a host whose default route leads
 * into a tunnel, which has none, has no private networks; nor without a gateway. */
#define GATEWAY_MAC "9a:55:9a:55:9a:55"
#define GATEWAY_IPV4 "-g", "169.254.2.2"
#define GATEWAY_IPV6 "-g", "fe80::1"

static char *const arguments[2][2][32] = {
	{ { ALWAYS, NULL }, { ALWAYS, GATEWAY_IPV6, NULL } },
	{ { ALWAYS, GATEWAY_IPV4, NULL }, { ALWAYS, GATEWAY_IPV4, GATEWAY_IPV6, NULL } },
};

/* Like descriptor_open_trusted() for "/", "/usr" and so on: nobody but root can put a file there.
 */
static int open_directory(void)
{
	static const char *const names[] = { PASTA_DIRECTORY };
	int directory = descriptor_open_trusted(AT_FDCWD, "/");

	for (size_t i = 0; directory >= 0 && i < sizeof(names) / sizeof(*names); i++) {
		int parent = directory;

		directory = descriptor_open_trusted(parent, names[i]);
		close(parent);
	}
	return directory;
}

int pasta_find(struct problem *problem)
{
	_cleanup_close_ int directory = open_directory();
	struct stat status;

	if (directory < 0)
		return problem_set(
			problem, -directory,
			"pasta cannot be trusted; /usr/bin must be root's and writable by "
			"nobody else");
	/* Debian has a link there, which only root can have put there */
	if (fstatat(directory, PASTA_NAME, &status, 0) < 0)
		return problem_set(problem, errno, "pasta is not installed; apt install passt");
	if (!S_ISREG(status.st_mode) || status.st_uid != 0 ||
	    (status.st_mode & (S_IWGRP | S_IWOTH)) || !(status.st_mode & S_IXOTH))
		return problem_set(problem, EPERM,
				   "pasta cannot be trusted; " PASTA_PATH " must be a program, "
				   "root's and writable by nobody else");
	return 0;
}

/* Whatever the keeper and the holder ignore: without SIGPIPE, for one, pasta gives up. */
static void reset_signals(void)
{
	const uint64_t none = 0;

	for (int number = 1; number < SIGRTMIN; number++)
		signal(number, SIG_DFL);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

/* On such processors pasta would execute the other build of itself that lies beside it: a
 * millisecond that is better spared. */
static bool has_avx2(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx2");
#else
	return false;
#endif
}

struct beginning {
	int namespace;
	int words;
	char *const *arguments;
};

static int become_pasta(void *pointer)
{
	const struct beginning *beginning = pointer;
	char *const environment[] = { NULL };

	reset_signals();
	if (dup2(beginning->namespace, 0) == 0 && dup2(beginning->words, 1) == 1 &&
	    dup2(beginning->words, 2) == 2 && close_range(3, ~0U, 0) == 0) {
		if (has_avx2())
			execve(PASTA_PATH ".avx2", beginning->arguments, environment);
		execve(PASTA_PATH, beginning->arguments, environment);
	}
	dprintf(2, "cannot execute " PASTA_PATH ": %s\n", strerror(errno));
	_exit(127);
}

int pasta_start(int namespace, bool direct4, bool direct6, struct pasta *pasta)
{
	struct beginning beginning = { .namespace = namespace,
				       .arguments = arguments[direct4][direct6] };
	int ends[2];
	pid_t child;

	*pasta = PASTA_NONE;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	beginning.words = ends[1];
	child = process_borrow(0, become_pasta, &beginning);
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return child;
	}
	pasta->words = ends[0];
	return 0;
}

/* Digits alone are its process id, which it writes when it is ready. */
static void take_line(struct pasta *pasta)
{
	pasta->line[pasta->length] = '\0';
	if (pasta->length > 0 && strspn(pasta->line, "0123456789") == pasta->length) {
		pasta->ready = true;
	} else if (pasta->length > 0) {
		for (char *c = pasta->line; *c; c++)
			if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
				*c = '?';
		memcpy(pasta->last, pasta->line, pasta->length + 1);
	}
	pasta->length = 0;
}

bool pasta_hear(struct pasta *pasta)
{
	char text[256];
	ssize_t length;

	while ((length = read(pasta->words, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < length; i++) {
			if (text[i] == '\n')
				take_line(pasta);
			else if (pasta->length < sizeof(pasta->line) - 1)
				pasta->line[pasta->length++] = text[i];
		}
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	take_line(pasta);
	descriptor_close(&pasta->words);
	return false;
}
