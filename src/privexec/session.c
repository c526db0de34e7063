// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "control/channel.h"
#include "privexec/report.h"
#include "privexec/session.h"
#include "privexec/signals.h"
#include "privexec/status.h"
#include "privexec/words.h"

/* How often the foreground group of the outer terminal is asked for while it is someone else's. */
#define FOREGROUND_INTERVAL 300

/*
 * How long a session runs before the host's resolv.conf is watched. Letting go of an inotify
 * descriptor takes the kernel up to 25 ms, which a short session is spared.
 */
#define RESOLVER_DELAY 2000

#define KEEPER_OFF_MILLISECONDS 200

/* The slots of poll(2). */
enum { SIGNALS_SLOT, KEEPER_SLOT, INIT_SLOT, RESOLVER_SLOT, TERMINAL_SLOT };
enum { RELAY_SLOT = TERMINAL_SLOT + 4, SLOTS = RELAY_SLOT + 2 * 3 };

void session_tell(struct session *session, enum message_type type, const void *body, size_t size,
		  int descriptor)
{
	char packet[64];

	if (session->start.init < 0 || size >= sizeof(packet))
		return;
	packet[0] = (char)type;
	if (size > 0)
		memcpy(packet + 1, body, size);
	channel_send(session->start.init, packet, 1 + size, &descriptor, descriptor >= 0);
}

/* Everything is there: the command may run. */
static void go(struct session *session)
{
	const struct options *options = session->options;

	session->going = true;
	if (!options->quiet)
		words_started(&session->started);
	/* what is weaker than asked for is said even to those who want no first line */
	if (session->started.said_less)
		words_less(&session->started, options->request.size);
	if (options->verbose)
		words_started_more(&session->started);
	terminal_take(&session->terminal);
	session_tell(session, MESSAGE_GO, NULL, 0, -1);
	if (strncmp(session->started.network, "none", 4) == 0)
		return;
	resolver_note(&session->resolver);
	session->watch_at = clock_milliseconds() + RESOLVER_DELAY;
}

/* Has everyone gone who could still print something? */
static bool is_settled(const struct session *session)
{
	return session->has_ended || session->start.init < 0 ||
	       clock_milliseconds() >= session->give_up;
}

static bool is_idle(const struct relay *relay)
{
	return relay->source >= 0 && relay->start == relay->end;
}

/* Is there a relay that can find out at once whether its source has more? */
static bool any_idle_relay(const struct session *session)
{
	for (size_t i = 0; i < session->streams.relay_count; i++)
		if (is_idle(&session->streams.relays[i]))
			return true;
	return session->terminal.master >= 0 && is_idle(&session->terminal.out);
}

/* Is the outer terminal wanted while it is someone else's? */
static bool awaits_foreground(const struct session *session)
{
	const struct terminal *terminal = &session->terminal;

	return session->going && terminal->master >= 0 && terminal->wanted && !terminal->taken &&
	       !terminal->over;
}

static int time_to_wait(const struct session *session)
{
	const struct terminal *terminal = &session->terminal;
	int64_t left;

	if (session->over && !is_settled(session)) {
		left = session->give_up - clock_milliseconds();
		return left < 0 ? 0 : (int)left;
	}
	if (session->over)
		return any_idle_relay(session) ? 0 : -1;
	if (terminal->over && terminal->taken && is_idle(&terminal->out))
		return 0; /* it is given back as soon as nothing more is to be printed at once */
	if (awaits_foreground(session))
		return FOREGROUND_INTERVAL;
	if (session->watch_at) {
		left = session->watch_at - clock_milliseconds();
		return left < 0 ? 0 : (int)left;
	}
	return -1;
}

static void fill_slots(const struct session *session, struct pollfd slots[SLOTS])
{
	const struct streams *streams = &session->streams;

	slots[SIGNALS_SLOT] = (struct pollfd){ .fd = session->signals, .events = POLLIN };
	slots[KEEPER_SLOT] = (struct pollfd){ .fd = session->start.keeper, .events = POLLIN };
	slots[INIT_SLOT] = (struct pollfd){ .fd = session->start.init, .events = POLLIN };
	slots[RESOLVER_SLOT] = (struct pollfd){ .fd = session->resolver.watch, .events = POLLIN };
	terminal_poll(&session->terminal, slots + TERMINAL_SLOT);
	for (size_t i = 0; i < 3; i++) {
		struct pollfd *slot = slots + RELAY_SLOT + 2 * i;

		if (i < streams->relay_count)
			relay_poll(&streams->relays[i], slot);
		else
			slot[0] = slot[1] = (struct pollfd){ .fd = -1 };
	}
}

/* The session is over: a source with nothing to read will never have anything again. */
static void end_if_silent(struct relay *relay, const struct pollfd *source)
{
	if (!relay->outward)
		relay_close(relay);
	else if (is_idle(relay) && source->fd == relay->source && !source->revents)
		relay_end_source(relay);
}

static void end_silent_relays(struct session *session, const struct pollfd slots[SLOTS])
{
	struct streams *streams = &session->streams;

	for (size_t i = 0; i < streams->relay_count; i++)
		end_if_silent(&streams->relays[i], slots + RELAY_SLOT + 2 * i);
	if (session->terminal.master >= 0)
		end_if_silent(&session->terminal.out, slots + TERMINAL_SLOT + 2);
}

static bool is_finished(const struct session *session)
{
	if (session->abandoned)
		return true;
	if (!session->over || !is_settled(session))
		return false;
	for (size_t i = 0; i < session->streams.relay_count; i++)
		if (!relay_is_over(&session->streams.relays[i]))
			return false;
	return session->terminal.master < 0 || relay_is_over(&session->terminal.out);
}

static void pass_resolver(struct session *session)
{
	int copy = resolver_read(&session->resolver);

	if (copy < 0)
		return;
	session_tell(session, MESSAGE_RESOLVER, NULL, 0, copy);
	close(copy);
}

static void begin_watching(struct session *session)
{
	session->watch_at = 0;
	resolver_watch(&session->resolver);
	if (session->resolver.watch >= 0)
		pass_resolver(session);
}

/* Nothing happened for a while: perhaps the outer terminal is ours again. */
static void look_for_foreground(struct session *session)
{
	const char foreground = 1;

	if (session->waiting)
		session_grant_terminal(session, false);
	else if (terminal_take(&session->terminal))
		session_tell(session, MESSAGE_CONTINUE, &foreground, 1, -1);
}

static void serve(struct session *session)
{
	struct pollfd slots[SLOTS];

	while (!is_finished(session)) {
		int timeout = time_to_wait(session);
		int ready;

		fill_slots(session, slots);
		ready = poll(slots, SLOTS, timeout);
		if (ready < 0)
			continue; /* a signal that is not blocked, as SIGTTIN: it has had its effect
				   */
		if (slots[SIGNALS_SLOT].revents) {
			/* that may have stopped us for hours: what poll() saw is stale */
			session_take_signals(session);
			continue;
		}
		/* what was printed before a message was sent is relayed before it is heeded */
		terminal_move(&session->terminal, slots + TERMINAL_SLOT);
		for (size_t i = 0; i < session->streams.relay_count; i++)
			relay_move(&session->streams.relays[i], slots + RELAY_SLOT + 2 * i);
		if (session->over && is_settled(session))
			end_silent_relays(session, slots);
		if (slots[INIT_SLOT].revents)
			session_hear_init(session);
		if (slots[KEEPER_SLOT].revents)
			session_hear_keeper(session);
		if (slots[RESOLVER_SLOT].revents)
			pass_resolver(session);
		if (session->is_started && session->is_ready && !session->going && !session->over)
			go(session);
		if (ready == 0 && awaits_foreground(session))
			look_for_foreground(session);
		if (session->watch_at && clock_milliseconds() >= session->watch_at)
			begin_watching(session);
	}
}

/* The person's shell, for a run without a command. */
static char *find_shell(void)
{
	char *shell = getenv("SHELL");
	const struct passwd *entry;

	if (shell && *shell)
		return shell;
	entry = getpwuid(getuid());
	if (entry && entry->pw_shell && *entry->pw_shell)
		return entry->pw_shell;
	return "/bin/sh";
}

static int open_report(struct session *session, struct problem *problem)
{
	const char *path = session->options->report_file;
	int file;

	if (!path)
		return 0;
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	if (file >= 0)
		session->report = fdopen(file, "w");
	if (!session->report)
		return problem_set(problem, errno, "cannot write the report to '%s': %s", path,
				   strerror(errno));
	return 0;
}

static int prepare(struct session *session, struct problem *problem)
{
	char *shell[2] = { NULL, NULL };
	char *const *command = session->options->command;
	uint64_t watched =
		~session->origin.signals_ignored & ~signal_bit(SIGTTIN) & ~signal_bit(SIGTTOU);
	int r = streams_prepare(session->origin.closed, &session->streams, problem);

	if (r == 0) {
		r = terminal_prepare(session->streams.choices, &session->terminal);
		if (r < 0)
			return problem_set(problem, -r, "cannot use the terminal: %s",
					   strerror(-r));
		r = open_report(session, problem);
	}
	if (r < 0)
		return r;
	session->signals = signals_open(watched);
	if (session->signals < 0)
		return problem_set(problem, -session->signals, "cannot take signals: %s",
				   strerror(-session->signals));
	if (!command) {
		shell[0] = find_shell();
		command = shell;
	}
	session->began = clock_milliseconds();
	return start_session(&session->origin, session->options, command, &session->streams,
			     &session->terminal, &session->start, problem);
}

/* Says and writes what there is to say at the end. */
static void conclude(struct session *session)
{
	const struct options *options = session->options;
	struct report report = {
		.started = &session->started,
		.ended = &session->ended,
		.survivors = &session->survivors,
		.name = options->request.name,
		.milliseconds = clock_milliseconds() - session->began,
	};
	FILE *stream = session->report ? session->report : stderr;
	bool says_amount = options->report && !session->report && !options->request.json;
	char amount[64];
	int r;

	if (!session->has_ended || !session->is_started)
		return;
	if (session->ended.cause[0])
		words_say("the session was ended: %s", session->ended.cause);
	words_survivors(&session->survivors);
	if (options->verbose && !says_amount)
		words_say("discarded %s", words_amount(&session->ended, amount, sizeof(amount)));
	status_ended(options->status_descriptor, &session->ended, &session->survivors,
		     !session->not_executed);
	if (!options->report)
		return;
	r = options->request.json ? report_print_json(&report, stream)
				  : report_print_words(&report, stream);
	if (r < 0)
		words_say("the report could not be written: %s", strerror(-r));
}

/* A keeper that could make no session is about to exit: whoever started us should not find it still
 * there, as a session around this one would. */
static void see_keeper_off(const struct session *session)
{
	struct pollfd gone = { .events = POLLIN };

	if (session->is_started || session->start.keeper_process <= 0)
		return;
	gone.fd = (int)syscall(SYS_pidfd_open, session->start.keeper_process, 0);
	if (gone.fd >= 0 && poll(&gone, 1, KEEPER_OFF_MILLISECONDS) == 1)
		waitpid(session->start.keeper_process, NULL, WNOHANG);
	descriptor_close(&gone.fd);
}

static void release(struct session *session)
{
	for (size_t i = 0; i < session->streams.relay_count; i++)
		relay_close(&session->streams.relays[i]);
	terminal_hang_up(&session->terminal);
	resolver_close(&session->resolver);
	descriptor_close(&session->start.keeper);
	descriptor_close(&session->start.init);
	descriptor_close(&session->signals);
	see_keeper_off(session);
	if (session->report)
		fclose(session->report);
}

static void wipe_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		explicit_bzero(argv[i], strlen(argv[i]));
}

int session_run(const struct options *options, const struct origin *origin, int argc, char **argv)
{
	struct session session = {
		.options = options,
		.origin = *origin,
		.resolver = { .watch = -1 },
		.status = 125,
	};
	struct problem problem = { 0 };

	if (prepare(&session, &problem) < 0) {
		words_say("%s", problem.text);
		return 125;
	}
	wipe_arguments(argc, argv);
	/* what the session prints passes through here: it must not end in a core file */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!options->request.dry_run)
		streams_sent(&session.streams);
	serve(&session);
	terminal_release(&session.terminal, session.terminal.taken);
	conclude(&session);
	release(&session);
	return session.status;
}
