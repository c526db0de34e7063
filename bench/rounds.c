// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Small things that programs do all the time, each many times over, for bench/confinement:
 *
 *     rounds [--filtered] DIRECTORY NAME...     prints the nanoseconds of one, a line for each NAME
 *
 * --filtered: under the filter of a session's system calls. DIRECTORY: where a file can be made.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "confine/calls.h"
#include "confine/scopes.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

extern char **environ;
static char path[4096];
static int
	ends[2]; /* this process's ends of what it talks to a child by: for reading, for writing */

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* --- things to do --- */

static void do_nothing(void)
{
}

static void do_open(void)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || close(file) < 0)
		fail(path);
}

static void do_stat(void)
{
	struct stat status;

	if (stat(path, &status) < 0)
		fail(path);
}

static void do_spawn(void)
{
	char *argv[] = { "true", NULL };
	pid_t child;
	int status;

	if (posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ) != 0 ||
	    waitpid(child, &status, 0) != child || status != 0)
		fail("/bin/true");
}

static void do_fork(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		fail("/bin/true");
}

static void do_exchange(void)
{
	char byte = 'x';

	if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
		fail("exchange");
}

/* What the filter looks into: it is run for these each time. */
static void do_ioctl(void)
{
	int waiting;

	if (ioctl(ends[0], FIONREAD, &waiting) < 0)
		fail("FIONREAD");
}

static void do_socket(void)
{
	int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (made < 0 || close(made) < 0)
		fail("socket");
}

/* --- what they need --- */

/* Starts the child that sends back what it is sent. */
static void start_echo(int reads, int writes, const int closes[2])
{
	pid_t child = fork();
	char byte;

	if (child < 0)
		fail("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(closes[0]);
		close(closes[1]);
		while (read(reads, &byte, 1) == 1 && write(writes, &byte, 1) == 1)
			;
		_exit(0);
	}
	ends[0] = closes[0];
	ends[1] = closes[1];
	close(reads);
	if (writes != reads)
		close(writes);
}

static void need_pipes(void)
{
	int there[2], back[2];

	if (pipe(there) < 0 || pipe(back) < 0)
		fail("pipe");
	start_echo(there[0], back[1], (const int[2]){ back[0], there[1] });
}

static void need_pair(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		fail("socketpair");
	start_echo(pair[1], pair[1], (const int[2]){ pair[0], pair[0] });
}

/* A connection over the loopback device. */
static void need_connection(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), outer = socket(AF_INET, SOCK_STREAM, 0);
	int inner;

	if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
	    connect(outer, (struct sockaddr *)&address, length) < 0)
		fail("loopback");
	inner = accept(listener, NULL, NULL);
	if (inner < 0)
		fail("accept");
	close(listener);
	start_echo(inner, inner, (const int[2]){ outer, outer });
}

static const struct thing {
	const char *name;
	void (*need)(void), (*act)(void);
	unsigned count; /* in a round */
} things[] = {
	{ "open", do_nothing, do_open, 20000 },
	{ "stat", do_nothing, do_stat, 20000 },
	{ "fork", do_nothing, do_fork, 60 },
	{ "spawn", do_nothing, do_spawn, 60 },
	{ "pipe", need_pipes, do_exchange, 4000 },
	{ "pair", need_pair, do_exchange, 4000 },
	{ "loopback", need_connection, do_exchange, 2000 },
	{ "ioctl", need_pipes, do_ioctl, 20000 },
	{ "socket", do_nothing, do_socket, 10000 },
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void measure(const char *name)
{
	for (size_t i = 0; i < COUNT(things); i++) {
		const struct thing *thing = &things[i];
		double begin;

		if (strcmp(name, thing->name) != 0)
			continue;
		thing->need();
		for (unsigned done = 0; done < thing->count / 10; done++)
			thing->act();
		begin = now();
		for (unsigned done = 0; done < thing->count; done++)
			thing->act();
		printf("%s %.1f\n", name, (now() - begin) / thing->count);
		return;
	}
	fprintf(stderr, "rounds: nothing is named %s\n", name);
	exit(1);
}

int main(int argc, char **argv)
{
	bool filtered = argc > 1 && strcmp(argv[1], "--filtered") == 0;
	struct problem problem = { 0 };
	int file;

	argv += 1 + filtered;
	if (!*argv)
		return 1;
	if (filtered && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || calls_confine(&problem) ||
			 scopes_confine(&problem))) {
		fprintf(stderr, "rounds: %s\n", problem.text);
		return 1;
	}
	snprintf(path, sizeof(path), "%s/rounds-%d", *argv++, getpid());
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (file < 0)
		fail(path);
	close(file);
	while (*argv)
		measure(*argv++);
	unlink(path);
	return 0;
}
