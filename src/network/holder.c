// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The holder: process 1 of the helpers. It stays in the host's network, which it watches, and
 * reaches the session's by descriptors. What it does on the host any process of the user could do;
 * what it may do besides counts for the session's network alone.
 *
 * Whatever goes wrong here costs the session its way out, and never opens one to this machine: when
 * the host's addresses cannot be blocked this process ends, and pasta with it.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/descriptors.h"
#include "confine/capability.h"
#include "control/channel.h"
#include "network/addresses.h"
#include "network/network.h"
#include "network/pasta.h"
#include "network/relay.h"
#include "network/space.h"

/* After news of a way out: IPv6 often comes a moment after IPv4, and pasta looks once. */
#define SETTLE_MILLISECONDS 500

/* pasta sets up IPv6 right after IPv4, if at all: it does not where the host's is not complete. */
#define OTHER_MILLISECONDS 3

struct holder {
	int channel;
	int space[SPACE_DESCRIPTORS];
	int relay; /* ends with it; -1: there is none (any more) */
	struct pasta pasta;
	bool said;	  /* whether there is a network */
	bool given_up;	  /* pasta will not be started again */
	unsigned direct;  /* what pasta cannot set up, and is when it is ready */
	unsigned missing; /* default routes that pasta has to set up in the session yet: ADDRESSES_*
			   */
	/* clock_milliseconds(); 0: not */
	int64_t start_at; /* when pasta is to be started */
	int64_t up_at;	  /* when what is missing is waited for no longer */
	struct addresses addresses;
};

static void say(struct holder *holder, enum network_note note, const char *text)
{
	char packet[1 + NETWORK_TEXT_MAX];
	int length = snprintf(packet + 1, sizeof(packet) - 1, "%s", text);

	packet[0] = (char)note;
	if (length > NETWORK_TEXT_MAX - 1)
		length = NETWORK_TEXT_MAX - 1;
	/* the keeper is gone: so will this process be */
	if (channel_send(holder->channel, packet, 1 + (size_t)length, NULL, 0))
		_exit(1);
}

static _Noreturn void fail(struct holder *holder, const char *what, int error)
{
	char text[NETWORK_TEXT_MAX];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(-error));
	say(holder, holder->said ? NETWORK_ENDED : NETWORK_FAILED, text);
	_exit(1);
}

/* The ids that the keeper gave: root of the own user namespace. */
static void settle(struct holder *holder)
{
	const char *failed = NULL;
	char go;

	prctl(PR_SET_NAME, "privexec-net");
	if (descriptors_keep_only(&holder->channel, 1) < 0 ||
	    channel_receive(holder->channel, &go, 1, NULL, NULL) != 1)
		_exit(1);
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		failed = "cannot take its ids";
	/* after the last change of credentials, which clears it. What still is sent of a keeper
	 * that has died meanwhile ends at its channel */
	else if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		 prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		failed = "cannot settle";
	if (failed)
		fail(holder, failed, -errno);
	/* children are not waited for: each has a pipe that ends with it */
	signal(SIGCHLD, SIG_IGN);
}

static void refresh(struct holder *holder)
{
	int error = addresses_refresh(&holder->addresses);

	/* pasta is a child of a process 1: it ends with it */
	if (error)
		fail(holder, "cannot block the machine's own addresses", error);
}

static void begin(struct holder *holder)
{
	uint64_t effective, permitted;
	int error = addresses_open(&holder->addresses);

	if (!error)
		error = space_make(holder->space);
	if (error)
		fail(holder, "no network namespace", error);
	holder->addresses.session = holder->space[SPACE_ROUTES];
	holder->addresses.policies = holder->space[SPACE_POLICIES];
	if (channel_send(holder->channel, (char[]){ NETWORK_NAMESPACE }, 1,
			 &holder->space[SPACE_NAMESPACE], 1))
		_exit(1);
	/* pasta needs the others, and under no_new_privs would have no more than are permitted here
	 */
	error = capability_get(&effective, &permitted);
	if (!error)
		error = capability_set(CAPABILITY_BIT(CAP_NET_ADMIN), permitted);
	if (error)
		fail(holder, "cannot lay capabilities aside", error);
}

static void start_pasta(struct holder *holder)
{
	unsigned ways = addresses_ways(holder->addresses.ask);
	int error;

	holder->start_at = 0;
	holder->missing = ways & ADDRESSES_FAMILIES;
	holder->direct = ways & ADDRESSES_DIRECT(ADDRESSES_IPV4);
	if (!holder->missing)
		return;
	error = pasta_start(holder->space[SPACE_NAMESPACE], ways & ADDRESSES_DIRECT(ADDRESSES_IPV4),
			    ways & ADDRESSES_DIRECT(ADDRESSES_IPV6), &holder->pasta);
	if (error)
		fail(holder, "cannot start pasta", error);
}

static void is_up(struct holder *holder)
{
	holder->up_at = 0;
	if (!holder->said)
		say(holder, NETWORK_UP, "");
	holder->said = true;
}

static void pasta_is_gone(struct holder *holder)
{
	bool was_ready = holder->pasta.ready;
	char text[NETWORK_TEXT_MAX];

	/* the host's way out went while pasta looked for it */
	if (!was_ready && !addresses_ways(holder->addresses.ask))
		return;
	snprintf(text, sizeof(text), "pasta %s%s%s", was_ready ? "ended" : "does not start",
		 holder->pasta.last[0] ? ": " : "", holder->pasta.last);
	say(holder, holder->said ? NETWORK_ENDED : NETWORK_FAILED, text);
	holder->said = holder->given_up = true;
}

static void hear_pasta(struct holder *holder)
{
	if (!pasta_hear(&holder->pasta))
		pasta_is_gone(holder);
	else if (holder->pasta.ready && holder->missing) {
		addresses_lead_out(holder->space[SPACE_ROUTES], holder->missing);
		holder->missing = 0;
		is_up(holder);
	}
}

/*
 * pasta has set the interface up before it is ready itself: what is sent meanwhile waits there for
 * it, so nobody else needs to.
 */
static void hear_session(struct holder *holder)
{
	bool unused;
	unsigned came = addresses_hear(holder->space[SPACE_WATCH], &unused);

	if (holder->pasta.words < 0 || !(holder->missing & came))
		return;
	holder->missing &= ~came;
	if (!holder->missing)
		is_up(holder);
	else if (!holder->direct)
		holder->up_at = clock_milliseconds() + OTHER_MILLISECONDS;
}

static void hear_host(struct holder *holder)
{
	bool changed;
	unsigned ways = addresses_hear(holder->addresses.watch, &changed);

	if (changed)
		refresh(holder);
	if (ways && holder->pasta.words < 0 && !holder->given_up)
		holder->start_at = clock_milliseconds() + SETTLE_MILLISECONDS;
}

/* When the session asks for the first time: that waits in the socket. Many never do. */
static void start_relay(struct holder *holder)
{
	holder->relay = relay_start(holder->space);
	if (holder->relay < 0)
		say(holder, NETWORK_NAMELESS, "");
	for (int i = SPACE_DATAGRAMS; i < SPACE_DESCRIPTORS; i++)
		descriptor_close(&holder->space[i]);
}

/* Does what is due. Returns the milliseconds until something is; -1: nothing will be. */
static int look_at_clock(struct holder *holder)
{
	int64_t now = clock_milliseconds(), next;

	if (holder->start_at && now >= holder->start_at)
		start_pasta(holder);
	if (holder->up_at && now >= holder->up_at)
		is_up(holder);
	next = holder->up_at ? holder->up_at : holder->start_at;
	return next ? (int)(next - now) : -1;
}

static _Noreturn void serve(struct holder *holder)
{
	enum { KEEPER, HOST, SESSION, PASTA, RELAY, ASKED, COUNT = ASKED + 4 };

	while (true) {
		int timeout = look_at_clock(holder);
		struct pollfd polled[COUNT] = {
			[KEEPER] = { .fd = holder->channel, .events = POLLIN },
			[HOST] = { .fd = holder->addresses.watch, .events = POLLIN },
			[SESSION] = { .fd = holder->missing ? holder->space[SPACE_WATCH] : -1,
				      .events = POLLIN },
			[PASTA] = { .fd = holder->pasta.words, .events = POLLIN },
			[RELAY] = { .fd = holder->relay, .events = POLLIN },
		};
		bool asked = false;

		for (int i = ASKED; i < COUNT; i++)
			polled[i] =
				(struct pollfd){ .fd = holder->space[SPACE_DATAGRAMS + i - ASKED],
						 .events = POLLIN };
		if (poll(polled, COUNT, timeout) < 0 && errno != EINTR)
			fail(holder, "cannot wait", -errno);
		/* the keeper says nothing more: what ends this process is its death */
		if (polled[KEEPER].revents)
			_exit(1);
		if (polled[HOST].revents)
			hear_host(holder);
		if (polled[SESSION].revents)
			hear_session(holder);
		if (polled[PASTA].revents)
			hear_pasta(holder);
		for (int i = ASKED; i < COUNT; i++)
			asked |= polled[i].revents != 0;
		if (asked)
			start_relay(holder);
		if (polled[RELAY].revents) {
			descriptor_close(&holder->relay);
			say(holder, NETWORK_NAMELESS, "");
		}
	}
}

_Noreturn void network_hold(int channel)
{
	static struct holder holder = { .relay = -1, .pasta = { .words = -1 } };

	holder.channel = channel;
	settle(&holder);
	begin(&holder);
	start_pasta(&holder);
	/* while pasta gets ready, and before anything of the session runs */
	refresh(&holder);
	if (holder.pasta.words < 0) {
		holder.said = true;
		say(&holder, NETWORK_OFFLINE, "");
	}
	serve(&holder);
}
