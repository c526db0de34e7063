// SPDX-License-Identifier: GPL-2.0-or-later
/* The session's first process against peers that are gone, silent or hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "control/channel.h"
#include "control/message.h"
#include "init/init.h"

/* An init in a pid namespace of its own, and our ends of its channels. */
struct fixture {
	pid_t process;
	int keeper, front;
	int output; /* what the command prints */
};

static int sealed(const char *bytes, size_t size)
{
	int memory = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(memory >= 0);
	assert_int_equal(write(memory, bytes, size), size);
	assert_int_equal(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE), 0);
	return memory;
}

static _Noreturn void be_init(int keeper, int front, int output, int arguments, bool last)
{
	static struct request request;
	struct init_context context = {
		.request = &request,
		.keeper = keeper,
		.front = front,
		.arguments = arguments,
		.environment = sealed("PATH=/usr/bin:/bin", sizeof("PATH=/usr/bin:/bin")),
		.directory = sealed("/", 1),
		.streams = { -1, output, -1 },
		.resolver = -1,
	};

	request.streams[1] = STREAM_PASSED;
	request.end = last ? END_LAST : END_COMMAND;
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		getrlimit((__rlimit_resource_t)i, &context.limits[i]);
	init_run(&context);
}

/* Starts an init whose command is sh -c @script. */
static void start(struct fixture *fixture, const char *script, bool last)
{
	struct {
		uint64_t flags, pidfd, child, parent, exit_signal, rest[3];
	} arguments = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	char words[256];
	int keeper[2], front[2], output[2], size;

	size = snprintf(words, sizeof(words), "sh%c-c%c%s", 0, 0, script) + 1;
	assert_int_equal(channel_pair(keeper), 0);
	assert_int_equal(channel_pair(front), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	fixture->process = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	assert_true(fixture->process >= 0);
	if (fixture->process == 0) {
		close(keeper[0]);
		close(front[0]);
		close(output[0]);
		be_init(keeper[1], front[1], output[1], sealed(words, (size_t)size), last);
	}
	close(keeper[1]);
	close(front[1]);
	close(output[1]);
	fixture->keeper = keeper[0];
	fixture->front = front[0];
	fixture->output = output[0];
}

static void say(const struct fixture *fixture, const char *packet, size_t size)
{
	assert_int_equal(channel_send(fixture->front, packet, size, NULL, 0), 0);
}

static void close_end(int *end)
{
	if (*end >= 0)
		close(*end);
	*end = -1;
}

/* Waits for init to end, five seconds at most, and for the status it told the keeper; -1: none. */
static int32_t finish(struct fixture *fixture)
{
	int64_t limit = clock_milliseconds() + 7000;
	int32_t status = -1;
	char note[16];

	while (waitpid(fixture->process, NULL, WNOHANG) == 0) {
		if (clock_milliseconds() > limit) {
			kill(fixture->process, SIGKILL);
			waitpid(fixture->process, NULL, 0);
			fail_msg("init has not ended");
		}
		usleep(1000);
	}
	while (fixture->keeper >= 0 &&
	       channel_receive(fixture->keeper, note, sizeof(note), NULL, NULL) > 0)
		if (note[0] == INIT_STATUS)
			memcpy(&status, note + 1, sizeof(status));
	close_end(&fixture->keeper);
	close_end(&fixture->front);
	close_end(&fixture->output);
	return status;
}

/* Waits for a packet of @type from init. */
static ssize_t expect(const struct fixture *fixture, enum message_type type, char *packet,
		      size_t size)
{
	ssize_t length;

	do {
		struct pollfd readable = { .fd = fixture->front, .events = POLLIN };

		assert_int_equal(poll(&readable, 1, 5000), 1);
		length = channel_receive(fixture->front, packet, size, NULL, NULL);
		assert_true(length > 0);
	} while (packet[0] != (char)type);
	return length;
}

static void expect_output(const struct fixture *fixture, const char *text)
{
	char printed[64] = "";
	size_t used = 0;

	while (used < strlen(text)) {
		struct pollfd readable = { .fd = fixture->output, .events = POLLIN };
		ssize_t got;

		assert_int_equal(poll(&readable, 1, 5000), 1);
		got = read(fixture->output, printed + used, strlen(text) - used);
		assert_true(got > 0);
		used += (size_t)got;
	}
	assert_string_equal(printed, text);
}

static void a_command_runs_when_it_is_told_to_and_its_status_is_told(void **state)
{
	struct fixture fixture;
	struct pollfd early;
	char packet[64];

	(void)state;
	start(&fixture, "echo ran; exit 7", false);
	expect(&fixture, MESSAGE_READY, packet, sizeof(packet));
	early = (struct pollfd){ .fd = fixture.output, .events = POLLIN };
	assert_int_equal(poll(&early, 1, 50), 0);
	say(&fixture, "g", 1);
	expect_output(&fixture, "ran\n");
	expect(&fixture, MESSAGE_EXITED, packet, sizeof(packet));
	assert_int_equal(finish(&fixture), 7);
}

static void when_the_keeper_is_gone_init_exits_and_all_with_it(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, "trap '' HUP TERM INT; echo ran; while :; do sleep 1; done", false);
	say(&fixture, "g", 1);
	expect_output(&fixture, "ran\n");
	close_end(&fixture.keeper);
	assert_int_equal(finish(&fixture), -1);
}

static void when_the_front_is_gone_the_command_is_hung_up_then_killed(void **state)
{
	struct fixture fixture;
	int64_t began;

	(void)state;
	start(&fixture, "echo ran; exec sleep 60", false);
	say(&fixture, "g", 1);
	expect_output(&fixture, "ran\n");
	close_end(&fixture.front);
	began = clock_milliseconds();
	assert_int_equal(finish(&fixture), 129);
	assert_true(clock_milliseconds() - began < 1500);

	start(&fixture, "trap '' HUP; echo ran; while :; do sleep 1; done", false);
	say(&fixture, "g", 1);
	expect_output(&fixture, "ran\n");
	close_end(&fixture.front);
	began = clock_milliseconds();
	assert_int_equal(finish(&fixture), 129);
	assert_true(clock_milliseconds() - began > 1900);
	assert_true(clock_milliseconds() - began < 3500);
}

static void a_front_that_goes_before_it_says_go_starts_nothing(void **state)
{
	struct fixture fixture;
	char printed;

	(void)state;
	start(&fixture, "echo ran", false);
	close_end(&fixture.front);
	/* with init gone, the pipe has no writer left */
	assert_int_equal(read(fixture.output, &printed, 1), 0);
	assert_int_equal(finish(&fixture), 129);
}

static void stops_that_nobody_hears_of_do_not_hold_init_up(void **state)
{
	struct fixture fixture;

	(void)state;
	/* thousands of stops, a front that never reads: the channel is full long before the end */
	start(&fixture,
	      "p=$$; (i=0; while [ $i -lt 6000 ]; do kill -STOP $p; kill -CONT $p; i=$((i+1)); "
	      "done; "
	      "kill -CONT $p; echo over) & wait; exit 5",
	      false);
	say(&fixture, "g", 1);
	expect_output(&fixture, "over\n");
	assert_int_equal(finish(&fixture), 5);
}

static void nonsense_from_the_front_is_survived(void **state)
{
	struct fixture fixture;
	unsigned seed = 1;

	(void)state;
	start(&fixture,
	      "trap 'exit 9' USR1; trap '' HUP INT TERM QUIT; echo ran; "
	      "while :; do sleep 0.01; done",
	      false);
	say(&fixture, "ggggg", 5);
	expect_output(&fixture, "ran\n");
	for (int i = 0; i < 20000; i++) {
		static const char types[] = "cnzxEr\0\377q";
		char packet[128];
		size_t size = (size_t)(rand_r(&seed) % 100) + 1, count = (size_t)rand_r(&seed) % 4;
		int descriptors[4] = { 0, fixture.output, fixture.front, 2 };

		for (size_t at = 0; at < size; at++)
			packet[at] = (char)rand_r(&seed);
		packet[0] = types[(size_t)rand_r(&seed) % (sizeof(types) - 1)];
		assert_int_equal(channel_send(fixture.front, packet, size, descriptors, count), 0);
		/* malformed signals: wrong sizes and numbers that are none */
		packet[0] = MESSAGE_SIGNAL;
		packet[1] = (char)(65 + rand_r(&seed) % 190);
		assert_int_equal(channel_send(fixture.front, packet, (size_t)i % 5 + 1, NULL, 0),
				 0);
	}
	say(&fixture, ((const char[]){ MESSAGE_SIGNAL, SIGUSR1, 0 }), 3);
	assert_int_equal(finish(&fixture), 9);
}

static void arguments_that_could_shrink_are_refused(void **state)
{
	struct fixture fixture = { .output = -1 };
	int keeper[2], front[2], memory;
	char packet[512];

	(void)state;
	assert_int_equal(channel_pair(keeper), 0);
	assert_int_equal(channel_pair(front), 0);
	memory = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(write(memory, "sh", 3), 3);
	fixture.process = fork();
	if (fixture.process == 0)
		be_init(keeper[1], front[1], -1, memory, false);
	close(keeper[1]);
	close(front[1]);
	fixture.keeper = keeper[0];
	fixture.front = front[0];
	expect(&fixture, MESSAGE_ERROR, packet, sizeof(packet));
	assert_int_equal(finish(&fixture), 125);
	close(memory);
}

static int can_make_pid_namespaces(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root, for pid namespaces\n");
		exit(77);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_runs_when_it_is_told_to_and_its_status_is_told),
		cmocka_unit_test(when_the_keeper_is_gone_init_exits_and_all_with_it),
		cmocka_unit_test(when_the_front_is_gone_the_command_is_hung_up_then_killed),
		cmocka_unit_test(a_front_that_goes_before_it_says_go_starts_nothing),
		cmocka_unit_test(stops_that_nobody_hears_of_do_not_hold_init_up),
		cmocka_unit_test(nonsense_from_the_front_is_survived),
		cmocka_unit_test(arguments_that_could_shrink_are_refused),
	};

	return cmocka_run_group_tests(tests, can_make_pid_namespaces, NULL);
}
