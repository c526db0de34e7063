// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/command.h"

/* The kernel takes no more than 6 MiB of arguments and environment together. */
#define STRINGS_SIZE_MAX (8u << 20)
#define SIGNALS 64

/*
 * Maps the sealed memfd @descriptor. A file that could still shrink is refused: touching the
 * mapping would then be a SIGBUS in the process that the whole session hangs on.
 */
static int map_sealed(int descriptor, char **ret_bytes, size_t *ret_size)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_WRITE;
	int seals = fcntl(descriptor, F_GET_SEALS);
	struct stat status;
	void *mapping;

	if (seals < 0 || fstat(descriptor, &status) < 0)
		return -errno;
	if ((seals & wanted) != wanted)
		return -EPERM;
	if (status.st_size > STRINGS_SIZE_MAX)
		return -E2BIG;
	*ret_size = (size_t)status.st_size;
	*ret_bytes = NULL;
	if (status.st_size == 0)
		return 0;
	mapping = mmap(NULL, *ret_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	*ret_bytes = mapping;
	return 0;
}

/* Makes a NULL-terminated vector of the NUL-terminated strings in @descriptor. */
static int load_strings(int descriptor, char ***ret_strings)
{
	size_t size, count = 0;
	char *bytes, **strings;
	int r = map_sealed(descriptor, &bytes, &size);

	if (r < 0)
		return r;
	if (size > 0 && bytes[size - 1] != '\0')
		return -EINVAL;
	for (size_t i = 0; i < size; i++)
		count += bytes[i] == '\0';
	strings = calloc(count + 1, sizeof(*strings));
	if (!strings)
		return -ENOMEM;
	for (size_t i = 0, at = 0; i < count; i++) {
		strings[i] = bytes + at;
		at += strlen(bytes + at) + 1;
	}
	*ret_strings = strings;
	return 0;
}

static int load_directory(int descriptor, char **ret_directory)
{
	size_t size;
	char *bytes;
	int r = map_sealed(descriptor, &bytes, &size);

	if (r < 0)
		return r;
	*ret_directory = NULL;
	if (size == 0)
		return 0;
	*ret_directory = strndup(bytes, size);
	munmap(bytes, size);
	return *ret_directory ? 0 : -ENOMEM;
}

int command_load(const struct init_context *context, struct command *ret_command)
{
	struct command command = { .report = -1 };
	int r = load_strings(context->arguments, &command.arguments);

	if (r == 0 && !command.arguments[0])
		r = -EINVAL;
	if (r == 0)
		r = load_strings(context->environment, &command.environment);
	if (r == 0)
		r = load_directory(context->directory, &command.directory);
	*ret_command = command;
	return r;
}

int command_enter_directory(const struct command *command)
{
	int error = 0;

	/* the front has said it already when the directory was gone before the start */
	if (command->directory && chdir(command->directory) < 0)
		error = errno;
	if ((!command->directory || error) && chdir("/") < 0 && !error)
		error = errno;
	return -error;
}

/*
 * By system calls of our own: the C library keeps two signals from its callers, and its
 * posix_spawn(), by which the keeper was started, leaves just these ignored.
 */
static void restore_signals(const struct request *request)
{
	for (int number = 1; number <= SIGNALS; number++) {
		bool ignored = request->signals_ignored & 1ULL << (number - 1);
		/* as the kernel has it: handler, flags, restorer, mask */
		const unsigned long action[4] = { (unsigned long)(ignored ? SIG_IGN : SIG_DFL) };

		/* KILL and STOP refuse: no matter */
		syscall(SYS_rt_sigaction, number, action, NULL, sizeof(uint64_t));
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &request->signals_blocked, NULL,
		sizeof(request->signals_blocked));
}

static void restore_limits(const struct init_context *context)
{
	/* the core limit is not the user's: it stays zero, so that no core reaches the disk */
	for (int resource = 0; resource < (int)RLIM_NLIMITS; resource++)
		if (resource != RLIMIT_CORE)
			setrlimit((__rlimit_resource_t)resource, &context->limits[resource]);
}

static void restore_streams(const struct init_context *context, int terminal)
{
	for (int i = 0; i < 3; i++) {
		enum stream_choice choice = context->request->streams[i];
		int source = choice == STREAM_TERMINAL ? terminal : context->streams[i];

		if (choice == STREAM_CLOSED || source < 0)
			close(i);
		else
			dup2(source, i);
	}
}

/* In the child: turns into the command. Whatever fails on the way to exec is sent to @report. */
static _Noreturn void become_command(const struct command *command,
				     const struct init_context *context, int terminal,
				     bool foreground, int report)
{
	int error;

	setpgid(0, 0);
	if (terminal >= 0 && foreground)
		tcsetpgrp(terminal, getpid());
	restore_streams(context, terminal);
	/* every descriptor above goes at exec, the report's with them: that is its message */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	restore_limits(context);
	umask(context->request->umask);
	restore_signals(context->request);
	environ = command->environment; /* where execvp() finds PATH */
	execvp(command->arguments[0], command->arguments);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(125);
	_exit(127);
}

/* What the child is told. */
struct beginning {
	const struct command *command;
	const struct init_context *context;
	int terminal, report;
	bool foreground;
};

static int begin(void *argument)
{
	const struct beginning *beginning = argument;

	become_command(beginning->command, beginning->context, beginning->terminal,
		       beginning->foreground, beginning->report);
}

/*
 * The child shares init's memory until it executes, as with vfork(2): copying it would take longer
 * than anything else it does. It only reads what is there, but for environ. Not where there is a
 * terminal: a key could stop the child before it executes, and init with it, which nobody would
 * then continue.
 */
static pid_t start_child(const struct beginning *beginning)
{
	static char stack[128 << 10] __attribute__((aligned(16)));
	pid_t child;

	if (beginning->terminal < 0)
		return clone(begin, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD,
			     (void *)beginning);
	child = fork();
	if (child == 0)
		begin((void *)beginning);
	return child;
}

int command_start(struct command *command, const struct init_context *context, int terminal,
		  bool foreground)
{
	struct beginning beginning = { command, context, terminal, -1, foreground };
	int report[2];
	pid_t child;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	beginning.report = report[1];
	child = start_child(&beginning);
	if (child < 0) {
		int error = errno;

		close(report[0]);
		close(report[1]);
		return -error;
	}
	/* both sides do it, so that neither signals a group that is not there yet */
	setpgid(child, child);
	close(report[1]);
	command->process = child;
	command->report = report[0];
	return 0;
}

void command_read_report(struct command *command)
{
	int error;

	if (command->report < 0)
		return;
	if (read(command->report, &error, sizeof(error)) == (ssize_t)sizeof(error) && error > 0)
		command->execute_error = error;
	close(command->report);
	command->report = -1;
}
