// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "control/channel.h"
#include "init/state.h"
#include "init/survivors.h"

/* So many children are reaped before init looks after its other duties again. */
#define REAPED_AT_ONCE 256

/* Tells the keeper how it went. The keeper ends the session; so does exiting. */
static _Noreturn void conclude(const struct init_state *init)
{
	char packet[1 + sizeof(init->status)] = { INIT_STATUS };

	memcpy(packet + 1, &init->status, sizeof(init->status));
	channel_send(init->context->keeper, packet, sizeof(packet), NULL, 0);
	_exit(0);
}

static _Noreturn void give_up(struct init_state *init, const char *what, int error)
{
	char text[256];
	int length = snprintf(text, sizeof(text), "the session's first process cannot %s: %s%s",
			      what, strerror(error),
			      error == EAGAIN ? "; too many processes? (ulimit -u)" : "");

	front_tell(init, MESSAGE_ERROR, text, (size_t)length);
	init->status = 125;
	conclude(init);
}

void init_end_rest(struct init_state *init, int signal, int grace)
{
	if (!survivors_exist()) {
		init->phase = PHASE_OVER;
		return;
	}
	init->survivors.terminated =
		survivors_count(init->survivors.names, sizeof(init->survivors.names));
	survivors_signal(signal);
	/* a stopped process takes the signal only when it goes on */
	survivors_signal(SIGCONT);
	init->phase = PHASE_TERMINATED;
	init->deadline = clock_milliseconds() + grace;
}

void init_kill_rest(struct init_state *init)
{
	unsigned left = survivors_count(NULL, 0);

	if (init->phase < PHASE_KILLED) {
		struct message_survivors *survivors = &init->survivors;

		/* processes may have come since they were counted */
		survivors->killed = left;
		survivors->terminated -=
			left < survivors->terminated ? left : survivors->terminated;
		init->deadline = clock_milliseconds() + GRACE_AFTER_KILL;
	}
	survivors_signal(SIGKILL);
	init->phase = PHASE_KILLED;
}

/* The command ended: with wait status @status. */
static void command_ended(struct init_state *init, int status)
{
	const struct request *request = init->context->request;
	struct command *command = &init->command;

	command_read_report(command);
	command->process = 0;
	init->stopped = false;
	init->stop_message = 0;
	if (init->front < 0)
		return; /* the status of a session that nobody waits for is settled */
	init->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (command->execute_error) {
		char packet[sizeof(int32_t) + 256];
		int32_t error = command->execute_error;
		size_t length = strnlen(command->arguments[0], sizeof(packet) - sizeof(error));

		memcpy(packet, &error, sizeof(error));
		memcpy(packet + sizeof(error), command->arguments[0], length);
		front_tell(init, MESSAGE_CANNOT_EXECUTE, packet, sizeof(error) + length);
		init->status = error == ENOENT ? 127 : 126;
	}
	front_tell(init, MESSAGE_EXITED, &init->status, sizeof(init->status));
	if (init->phase == PHASE_RUNNING && request->end != END_LAST)
		init_end_rest(init, SIGTERM, GRACE_AFTER_COMMAND);
}

static void command_stopped(struct init_state *init, int signal)
{
	bool input = signal == SIGTTIN || signal == SIGTTOU;

	init->stopped = true;
	init->stop_signal = (uint8_t)signal;
	if (input && inner_terminal_is_idle(&init->terminal)) {
		init->stop_message = MESSAGE_WANTS_TERMINAL;
	} else {
		init->stop_message = MESSAGE_STOPPED;
		inner_terminal_stopped(&init->terminal);
	}
	front_tell_stop(init);
}

/* Takes in what became of children. Returns true when there may be more. */
static bool reap(struct init_state *init)
{
	for (int i = 0; i < REAPED_AT_ONCE; i++) {
		int status;
		pid_t child = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);

		if (child <= 0)
			return false;
		if (child != init->command.process)
			continue;
		if (WIFSTOPPED(status)) {
			command_stopped(init, WSTOPSIG(status));
		} else if (WIFCONTINUED(status)) {
			init->stopped = false;
			init->stop_message = 0;
		} else {
			command_ended(init, status);
		}
	}
	return true;
}

void init_start_command(struct init_state *init)
{
	const struct init_context *context = init->context;
	int r = command_enter_directory(&init->command);

	if (r < 0) {
		int32_t error = -r;

		front_tell(init, MESSAGE_NO_DIRECTORY, &error, sizeof(error));
	}
	r = command_start(&init->command, context, init->terminal.inner,
			  !context->request->terminal_lazy);
	if (r < 0)
		give_up(init, "start the command", -r);
	/* a pipe must end when the session's last writer ends, and init is none */
	for (int i = 0; i < 3; i++)
		if (context->streams[i] > 2)
			close(context->streams[i]);
	if (chdir("/") < 0)
		give_up(init, "enter /", errno);
	init->phase = PHASE_RUNNING;
	if (init->early_key)
		kill(-init->command.process, init->early_key);
}

/* The front is gone: nobody is left to see what the session does. */
static void front_is_gone(struct init_state *init)
{
	init->status = 129;
	if (init->phase == PHASE_WAITING)
		init->phase = PHASE_OVER;
	else if (init->phase == PHASE_RUNNING)
		init_end_rest(init, SIGHUP, GRACE_AFTER_FRONT);
	else if (init->phase == PHASE_TERMINATED)
		init_kill_rest(init);
}

/* Moves on when nothing is left or time is up. */
static void advance(struct init_state *init)
{
	bool started = init->phase >= PHASE_RUNNING;

	if (started && init->command.process == 0 && !survivors_exist())
		init->phase = PHASE_OVER;
	else if (init->phase == PHASE_TERMINATED && clock_milliseconds() >= init->deadline)
		init_kill_rest(init);
	else if (init->phase == PHASE_KILLED && clock_milliseconds() >= init->deadline)
		init->phase = PHASE_OVER;
}

static int time_left(const struct init_state *init)
{
	int64_t left;

	if (init->phase != PHASE_TERMINATED && init->phase != PHASE_KILLED)
		return -1;
	left = init->deadline - clock_milliseconds();
	return left < 0 ? 0 : (int)left;
}

/*
 * A key that makes a signal, typed while init's own group is still in the foreground: it was meant
 * for the command. A hang-up reaches init besides the foreground group, so it is passed on only
 * when that is init's.
 */
static void take_key(struct init_state *init, const struct signalfd_siginfo *information)
{
	int number = (int)information->ssi_signo;

	/* processes of the session can signal init too: that means nothing */
	if (number == SIGCHLD || information->ssi_code != SI_KERNEL)
		return;
	if (number == SIGHUP && !inner_terminal_is_idle(&init->terminal))
		return;
	if (init->phase == PHASE_WAITING)
		init->early_key = number;
	else if (init->command.process > 0)
		kill(-init->command.process, number);
}

static void take_signals(struct init_state *init)
{
	struct signalfd_siginfo information;

	while (read(init->signals, &information, sizeof(information)) ==
	       (ssize_t)sizeof(information))
		take_key(init, &information);
}

static void serve(struct init_state *init)
{
	enum { KEEPER, FRONT, SIGNALS, REPORT, COUNT };
	bool more = false;

	while (init->phase != PHASE_OVER) {
		short front_events = init->stop_message ? POLLIN | POLLOUT : POLLIN;
		struct pollfd polled[COUNT] = {
			[KEEPER] = { .fd = init->context->keeper, .events = POLLIN },
			[FRONT] = { .fd = init->front, .events = front_events },
			[SIGNALS] = { .fd = init->signals, .events = POLLIN },
			[REPORT] = { .fd = init->command.report, .events = POLLIN },
		};
		char ignored[16];

		if (poll(polled, COUNT, more ? 0 : time_left(init)) < 0 && errno != EINTR)
			give_up(init, "wait", errno);
		/* the keeper says nothing on this channel: what ends it is its death */
		if (polled[KEEPER].revents && channel_receive(init->context->keeper, ignored,
							      sizeof(ignored), NULL, NULL) <= 0)
			_exit(1);
		if (polled[REPORT].revents)
			command_read_report(&init->command);
		if (polled[SIGNALS].revents || more) {
			take_signals(init);
			more = reap(init);
		}
		if (polled[FRONT].revents & POLLOUT)
			front_tell_stop(init);
		if (polled[FRONT].revents & ~POLLOUT)
			front_receive(init);
		if (polled[FRONT].revents && init->front < 0)
			front_is_gone(init);
		advance(init);
	}
}

/* Blocks every signal; what init must know comes by the descriptor that is returned. */
static int open_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	uint64_t all = UINT64_MAX;
	sigset_t wanted;

	/* an ignored SIGCHLD would reap children behind our back */
	sigaction(SIGCHLD, &action, NULL);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGQUIT);
	sigaddset(&wanted, SIGTSTP);
	sigaddset(&wanted, SIGHUP);
	return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void silence_standard_streams(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; null >= 0 && i < 3; i++)
		if (null != i)
			dup2(null, i);
	if (null > 2)
		close(null);
}

_Noreturn void init_run(const struct init_context *context)
{
	struct init_state init = {
		.context = context,
		.command = { .report = -1 },
		.terminal = { .outer = -1, .inner = -1 },
		.front = context->front,
	};
	const char ready = INIT_READY;
	int r;

	init.signals = open_signals();
	if (init.signals < 0)
		give_up(&init, "take signals", errno);
	setsid(); /* fails when the keeper has made it a session leader already: as good */
	silence_standard_streams();
	if (fcntl(init.front, F_SETFL, O_NONBLOCK) < 0)
		give_up(&init, "use its channel", errno);
	r = command_load(context, &init.command);
	if (r < 0)
		give_up(&init, "read the command", -r);
	close(context->arguments);
	close(context->environment);
	close(context->directory);
	r = front_make_ready(&init);
	if (r < 0 && r != -EPIPE)
		give_up(&init, "open a terminal", -r);
	if (channel_send(context->keeper, &ready, sizeof(ready), NULL, 0) < 0)
		_exit(1);
	serve(&init);
	if (init.survivors.terminated || init.survivors.killed)
		front_tell(&init, MESSAGE_SURVIVORS, &init.survivors, sizeof(init.survivors));
	conclude(&init);
}
