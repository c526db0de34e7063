// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What starts the three roles and gives them what they share: descriptors to inherit, a controlling
 * terminal, standard input that is a file, FIFOs that are there before a session. It knows no
 * canary.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "flow.h"

#define START_SECONDS 60 /* for sessions to start and end */
#define WORDS_MAX 64

struct running {
	pid_t process;
	int output;
	char line[2048];
	size_t length;
};

static int open_in(const struct scene *scene, const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", scene->directory, name);
	return open(path, flags, 0666);
}

static int place(int descriptor, int number)
{
	if (descriptor < 0 || dup2(descriptor, number) < 0)
		return -errno;
	if (descriptor != number)
		close(descriptor);
	return 0;
}

static int share_descriptors(const struct scene *scene)
{
	int pipes[2], sockets[2], error;

	if (pipe2(pipes, O_NONBLOCK) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sockets) < 0)
		return -errno;
	error = place(open_in(scene, "inherited", O_RDWR | O_CREAT), INHERITED_FILE);
	if (!error)
		error = place(pipes[0], INHERITED_PIPE_READ);
	if (!error)
		error = place(pipes[1], INHERITED_PIPE_WRITE);
	if (!error)
		error = place(sockets[0], INHERITED_SOCKET);
	if (!error)
		error = place(sockets[1], INHERITED_SOCKET_END);
	if (!error)
		error = place(memfd_create("inherited", 0), INHERITED_MEMORY);
	if (!error)
		error = place(open(scene->directory, O_RDONLY | O_DIRECTORY), INHERITED_DIRECTORY);
	return error;
}

/* It becomes everybody's controlling terminal; that nobody has as a stream, so that it is no exit.
 */
static int share_terminal(struct scene *scene)
{
	/* collectors share it: what one has seen another may have read before it does */
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;
	struct termios raw;

	setsid(); /* fails where it is a leader already */
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, scene->terminal, sizeof(scene->terminal)) != 0)
		return -errno;
	slave = open(scene->terminal, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0 || tcgetattr(slave, &raw) < 0)
		return -errno;
	cfmakeraw(&raw);
	if (tcsetattr(slave, TCSANOW, &raw) < 0 || place(master, TERMINAL_MASTER) < 0 ||
	    fcntl(TERMINAL_MASTER, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static void make_fifos(const struct scene *scene)
{
	for (unsigned i = 0; i < scene->directory_count * NAMES; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s-p%u", scene->directories[i / NAMES],
			 scene->prefix, i % NAMES);
		mkfifo(path, 0666);
	}
}

static int prepare(struct scene *scene)
{
	static const char zeros[64];
	int input, error;

	umask(0);
	hold_signals();
	scene->stage = getpid();
	scene_remove(scene);
	make_fifos(scene);
	error = share_descriptors(scene);
	if (!error)
		error = share_terminal(scene);
	input = open_in(scene, "input", O_RDWR | O_CREAT | O_CLOEXEC);
	if (!error && (input < 0 || write(input, zeros, sizeof(zeros)) < 0))
		error = -errno;
	if (input >= 0)
		close(input);
	return error;
}

/* The public: no program of its own, so that it is there before the sessions are. */
static int start_collectors(struct stage *stage, struct tally *tally)
{
	for (unsigned i = 0; i < stage->workers; i++) {
		pid_t child = fork();

		if (child < 0)
			return -errno;
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			/* till the stage ends it */
			worker_run(&stage->scene, ROLE_PUBLIC, i, tally, 1U << 30);
		}
		stage->scene.collectors[stage->scene.collector_count++] = child;
	}
	return 0;
}

/* What starts a session, and in it the role. Returns the word that is to be overwritten. */
static const char *fill_words(const struct stage *stage, enum role role, char *words[WORDS_MAX])
{
	static char room[] = "................................", letter[2], numbers[3][24];
	const char *const own[] = { stage->program, "role",
				    "--role",	    letter,
				    "--seed",	    numbers[0],
				    "--seconds",    numbers[1],
				    "--workers",    numbers[2],
				    "--without",    stage->without,
				    "--directory",  stage->scene.directory,
				    "--room",	    room };
	size_t count = 0;

	letter[0] = ROLE_LETTER(role);
	snprintf(numbers[0], sizeof(numbers[0]), "%llu", (unsigned long long)stage->scene.seed);
	snprintf(numbers[1], sizeof(numbers[1]), "%u", stage->seconds);
	snprintf(numbers[2], sizeof(numbers[2]), "%u", stage->workers);
	for (char **word = stage->words; word && *word && count < WORDS_MAX / 2; word++)
		words[count++] = *word;
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		words[count++] = (char *)own[i];
	words[count] = NULL;
	return room;
}

static _Noreturn void become_role(const struct stage *stage, enum role role, int output)
{
	char *words[WORDS_MAX];

	setenv("FLOW_ROOM", fill_words(stage, role, words), 1);
	if (place(open_in(&stage->scene, "input", O_RDONLY), STDIN_FILENO) < 0 ||
	    dup2(output, STDOUT_FILENO) < 0)
		_exit(126);
	execvp(words[0], words);
	fprintf(stderr, "flow: %s: %s\n", words[0], strerror(errno));
	_exit(127);
}

static int start_role(const struct stage *stage, enum role role, struct running *running)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fflush(stdout);
	running->process = fork();
	if (running->process < 0)
		return -errno;
	if (running->process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		become_role(stage, role, ends[1]);
	}
	close(ends[1]);
	running->output = ends[0];
	return 0;
}

/* Passes whole lines on. Returns whether there was an arrival among them. */
static bool hear(struct running *running)
{
	ssize_t size = read(running->output, running->line + running->length,
			    sizeof(running->line) - running->length - 1);
	bool arrival = false;
	char *end;

	if (size <= 0) {
		close(running->output);
		running->output = -1;
		return false;
	}
	running->length += (size_t)size;
	while ((end = memchr(running->line, '\n', running->length))) {
		size_t length = (size_t)(end + 1 - running->line);

		fwrite(running->line, 1, length, stdout);
		arrival |= strncmp(running->line, "arrival ", 8) == 0;
		running->length -= length;
		memmove(running->line, end + 1, running->length);
	}
	if (running->length == sizeof(running->line) - 1)
		running->length = 0;
	fflush(stdout);
	return arrival;
}

static bool public_arrived(const struct tally *tally)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned role = 0; role < ROLES; role++)
			if (tally->arrived[kind][role])
				return true;
	return false;
}

/* Until both sessions have said all, or their time is over, or there is what was looked for. */
static bool attend(const struct stage *stage, const struct tally *tally, struct running running[2])
{
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + stage->seconds + START_SECONDS;
	while (running[0].output >= 0 || running[1].output >= 0) {
		struct pollfd ready[2] = { { .fd = running[0].output, .events = POLLIN },
					   { .fd = running[1].output, .events = POLLIN } };
		bool arrival = public_arrived(tally);

		poll(ready, 2, 200);
		for (int i = 0; i < 2; i++)
			if (ready[i].revents && hear(&running[i]))
				arrival = true;
		if (stage->until_arrival && arrival)
			return true;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end) {
			puts("failed: the sessions did not end");
			return false;
		}
	}
	return true;
}

static bool end_role(struct running *running, enum role role, bool early)
{
	int status = 0;

	if (running->process <= 0)
		return false;
	/* a front that is told to end takes its session down */
	if (early)
		kill(running->process, SIGTERM);
	for (int i = 0; i < 500 && waitpid(running->process, &status, WNOHANG) == 0; i++) {
		const struct timespec moment = { .tv_nsec = 20000000 };

		if (i == 400)
			kill(running->process, SIGKILL);
		nanosleep(&moment, NULL);
	}
	if (early || status == 0)
		return true;
	printf("failed: session %c ended with status %#x\n", ROLE_LETTER(role), status);
	return false;
}

static bool end_collectors(const struct stage *stage, struct tally *tally)
{
	bool good = true;

	tally->stop = 1;
	for (unsigned i = 0; i < stage->scene.collector_count; i++) {
		int status = 0;

		waitpid(stage->scene.collectors[i], &status, 0);
		if (status != 0) {
			printf("failed: a collector ended with status %#x\n", status);
			good = false;
		}
	}
	return good;
}

int stage_run(struct stage *stage)
{
	struct tally *tally = tally_make();
	struct running running[2] = { { .output = -1 }, { .output = -1 } };
	int error = tally ? prepare(&stage->scene) : -ENOMEM;
	bool good = false, early;

	if (!error)
		error = start_collectors(stage, tally);
	if (!error)
		error = scene_write_board(&stage->scene);
	for (enum role role = ROLE_A; role <= ROLE_B && !error; role++)
		error = start_role(stage, role, &running[role]);
	if (!error)
		good = attend(stage, tally, running);
	else
		printf("failed: the stage: %s\n", strerror(-error));
	early = !good || running[0].output >= 0 || running[1].output >= 0;
	for (enum role role = ROLE_A; role <= ROLE_B; role++)
		good &= end_role(&running[role], role, early);
	good &= end_collectors(stage, tally);
	tally_print(&stage->scene, tally, ROLE_PUBLIC);
	scene_remove(&stage->scene);
	return !good;
}
