// SPDX-License-Identifier: GPL-2.0-or-later
/* Signals and job control: what the front is told, the command is told; where one stops, both do.
 */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "privexec/session.h"
#include "privexec/signals.h"
#include "privexec/status.h"

/*
 * Stops this process by @number, with its whole group as a terminal does it if @group. Returns true
 * when it was stopped and has been continued; false when it cannot be (a group without a shell that
 * could continue it is not stopped by the kernel).
 */
static bool stop_self(const struct session *session, int number, bool group)
{
	uint64_t blocked;

	if (session->origin.signals_ignored & signal_bit(number))
		number = SIGSTOP;
	blocked = signals_block(~signal_bit(number));
	kill(group && number != SIGSTOP ? 0 : getpid(), number);
	signals_block(blocked);
	return signal_take(SIGCONT);
}

static void resume(struct session *session)
{
	uint8_t foreground;

	if (session->waiting) {
		session_grant_terminal(session, true);
		return;
	}
	foreground = terminal_take(&session->terminal);
	session_tell(session, MESSAGE_CONTINUE, &foreground, 1, -1);
}

void session_stop(struct session *session, int signal)
{
	/* in raw mode the keys reached only the session: the front's group is yet to be stopped */
	bool group = session->terminal.taken;

	if (signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU)
		signal = SIGSTOP;
	terminal_flush_output(&session->terminal);
	terminal_release(&session->terminal, false);
	status_stopped(session->options->status_descriptor, signal);
	stop_self(session, signal, group);
	status_continued(session->options->status_descriptor);
	resume(session);
}

void session_grant_terminal(struct session *session, bool may_stop)
{
	struct terminal *terminal = &session->terminal;
	const uint8_t foreground = 1;

	session->waiting = true;
	terminal->wanted = true;
	while (!terminal_take(terminal)) {
		/* in the foreground, and yet it cannot be had: it is gone */
		if (terminal->master < 0 || terminal_is_foreground(terminal)) {
			terminal_hang_up(terminal);
			break;
		}
		if (!may_stop)
			return;
		/* what the kernel does to a background process that reads */
		status_stopped(session->options->status_descriptor, SIGTTIN);
		may_stop = stop_self(session, SIGTTIN, true);
		status_continued(session->options->status_descriptor);
	}
	session->waiting = false;
	session_tell(session, MESSAGE_CONTINUE, &foreground, 1, -1);
}

/* Would this signal, at its default, end a process? */
static bool is_fatal(int number)
{
	return number != SIGCHLD && number != SIGCONT && number != SIGURG && number != SIGWINCH &&
	       number != SIGTSTP;
}

/* A signal while there is no command yet, or none any more. */
static void take_alone(struct session *session, int number)
{
	if (session->over) {
		/* only the relaying of the rest is left, and that can be cut short */
		if (number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT)
			session->abandoned = true;
	} else if (number == SIGTSTP) {
		stop_self(session, SIGTSTP, false);
	} else if (is_fatal(number)) {
		session->status = 128 + number;
		session->abandoned = true;
	}
}

static void take_signal(struct session *session, const struct signalfd_siginfo *information)
{
	int number = (int)information->ssi_signo;
	bool keyboard = number == SIGINT || number == SIGQUIT || number == SIGTSTP ||
			number == SIGHUP || number == SIGWINCH;
	struct message_signal message = {
		.number = (uint8_t)number,
		.group = keyboard && information->ssi_code == SI_KERNEL,
	};

	/* the keeper's end is seen by its channel; a broken pipe of ours is no signal to others */
	if (number == SIGCHLD || (number == SIGPIPE && (pid_t)information->ssi_pid == getpid()))
		return;
	if (!session->going || session->over)
		take_alone(session, number);
	else if (session->exited && number == SIGTSTP)
		stop_self(session, SIGTSTP, false); /* there is no command to stop with */
	else if (number == SIGCONT)
		resume(session);
	else if (number == SIGWINCH && session->terminal.master >= 0)
		terminal_resize(&session->terminal);
	else
		session_tell(session, MESSAGE_SIGNAL, &message, sizeof(message), -1);
}

void session_take_signals(struct session *session)
{
	struct signalfd_siginfo information;

	while (read(session->signals, &information, sizeof(information)) ==
	       (ssize_t)sizeof(information))
		take_signal(session, &information);
}
