// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "flow.h"

#define NEST_MILLISECONDS 300
#define NEST_DEPTH 2

static const struct call *calls[CALLS_MAX];
static unsigned call_count, weight_total;

/* Overwritten in place with the canary: what /proc/PID/environ and cmdline show. */
static char *own_argument, *own_variable;

/* ---- what calls use ---- */

unsigned draw(struct flow *flow, unsigned below)
{
	uint64_t x = flow->random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	x ^= x >> 31;
	return (unsigned)((x >> 32) * below >> 32);
}

size_t payload(struct flow *flow, void *bytes, size_t size)
{
	char *text = bytes;
	unsigned at = draw(flow, CANARY_SIZE);

	for (size_t i = 0; i < size; i++)
		text[i] = flow->role == ROLE_PUBLIC ? '.' : flow->canary[(at + i) % CANARY_SIZE];
	return size;
}

void taken(struct flow *flow, enum kind kind, const char *object, const void *bytes, ssize_t size)
{
	int owner = size >= WINDOW ? canaries_find(&flow->canaries, bytes, (size_t)size) : -1;
	char line[512];
	int length;

	if (owner < 0 || !scene_has(&flow->scene, kind) ||
	    __atomic_exchange_n(&flow->tally->arrived[kind][owner], 1, __ATOMIC_RELAXED))
		return;
	length = snprintf(line, sizeof(line),
			  "arrival %s from %c at %c%u seed %llu step %llu depth %u call %s "
			  "object %.200s\n",
			  kind_names[kind], ROLE_LETTER(owner), ROLE_LETTER(flow->role),
			  flow->worker, (unsigned long long)flow->scene.seed,
			  (unsigned long long)flow->step, flow->depth, flow->call->name, object);
	if (write(STDOUT_FILENO, line, (size_t)length) < 0)
		_exit(1);
}

bool wait_for(int descriptor, short events, int milliseconds)
{
	struct pollfd ready = { .fd = descriptor, .events = events };

	return poll(&ready, 1, milliseconds) == 1 && (ready.revents & events);
}

int take_from(struct flow *flow, enum kind kind, const char *object, int descriptor)
{
	char bytes[4096];
	ssize_t size;

	/* what comes may come slowly, but a read must not wait: not all are O_NONBLOCK */
	if (!wait_for(descriptor, POLLIN, (int)draw(flow, 4)))
		return -EAGAIN;
	size = read(descriptor, bytes, sizeof(bytes));
	if (size < 0)
		return -errno;
	taken(flow, kind, object, bytes, size);
	return 0;
}

int give_to(struct flow *flow, int descriptor)
{
	char bytes[64];

	payload(flow, bytes, sizeof(bytes));
	if (!wait_for(descriptor, POLLOUT, 0))
		return -EAGAIN;
	return write(descriptor, bytes, sizeof(bytes)) < 0 ? -errno : 0;
}

void draw_path(struct flow *flow, char *path, size_t size, char letter)
{
	const struct scene *scene = &flow->scene;

	snprintf(path, size, "%s/%s-%c%u", scene->directories[draw(flow, scene->directory_count)],
		 scene->prefix, letter, draw(flow, NAMES));
}

void slot_fill(struct flow *flow, enum kind kind, int descriptor)
{
	struct slot *slot = &flow->slots[draw(flow, SLOTS)];

	if (descriptor < 0)
		return;
	if (slot->descriptor >= 0)
		close(slot->descriptor);
	*slot = (struct slot){ descriptor, kind };
}

struct slot *slot_draw(struct flow *flow)
{
	return slot_draw_kind(flow, 0, KINDS);
}

struct slot *slot_draw_kind(struct flow *flow, enum kind first, enum kind last)
{
	unsigned start = draw(flow, SLOTS);

	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &flow->slots[(start + i) % SLOTS];

		if (slot->descriptor >= 0 && slot->kind >= first && slot->kind <= last)
			return slot;
	}
	return NULL;
}

/* ---- steps ---- */

static void add_calls(const struct scene *scene, const struct call *list)
{
	for (; list->name; list++) {
		if (!scene_has(scene, list->kind))
			continue;
		if (call_count == CALLS_MAX)
			abort();
		calls[call_count++] = list;
		weight_total += list->weight;
	}
}

static void gather_calls(const struct scene *scene)
{
	add_calls(scene, file_calls);
	add_calls(scene, descriptor_calls);
	add_calls(scene, socket_calls);
	add_calls(scene, ipc_calls);
	add_calls(scene, process_calls);
	add_calls(scene, space_calls);
}

static unsigned draw_call(struct flow *flow)
{
	unsigned at = draw(flow, weight_total), i = 0;

	while (at >= calls[i]->weight)
		at -= calls[i++]->weight;
	return i;
}

static void step(struct flow *flow)
{
	unsigned number = draw_call(flow);
	const struct call *call = calls[number];
	int error;

	flow->step++;
	if (((call->what & GIVES) && flow->role == ROLE_PUBLIC && draw(flow, 4)) ||
	    ((call->what & NESTS) && flow->depth >= NEST_DEPTH) ||
	    ((call->what & MOUNTS) && !flow->own_mounts) ||
	    ((call->what & LOOKS_IN) && flow->role == ROLE_PUBLIC && flow->scene.is_root))
		return;
	flow->call = call;
	error = call->make(flow);
	__atomic_add_fetch(&flow->tally->calls[number].made, 1, __ATOMIC_RELAXED);
	if (!error)
		__atomic_add_fetch(&flow->tally->calls[number].succeeded, 1, __ATOMIC_RELAXED);
}

void flow_steps(struct flow *flow, uint64_t steps)
{
	while (steps-- > 0 && !flow->tally->stop)
		step(flow);
}

static void bury(pid_t child, int pidfd)
{
	if (!wait_for(pidfd, POLLIN, NEST_MILLISECONDS))
		kill(child, SIGKILL);
	waitpid(child, NULL, __WALL);
	close(pidfd);
}

int flow_nest(struct flow *flow, int (*prepare)(struct flow *flow), unsigned steps)
{
	pid_t parent = getpid(), child = fork();
	int pidfd;

	if (child < 0)
		return -errno;
	if (child == 0) {
		const struct call *call = flow->call;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent && getppid() != 0)
			_exit(1);
		flow->depth++;
		flow->random ^= 0x5851f42d4c957f2d;
		if (prepare(flow) < 0)
			_exit(1);
		flow_steps(flow, steps);
		flow->call = call;
		_exit(0);
	}
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	bury(child, pidfd);
	return 0;
}

/* ---- workers ---- */

void hold_signals(void)
{
	sigset_t held;

	sigemptyset(&held);
	for (int i = 0; i < 4; i++)
		sigaddset(&held, SIGRTMIN + i);
	sigprocmask(SIG_BLOCK, &held, NULL);
}

/* What hears the alarm, and in which call it waits. */
static const struct flow *waiting;

static void say_stuck(int number)
{
	char line[128];
	int length =
		snprintf(line, sizeof(line), "failed: %c is stuck in %.80s\n",
			 ROLE_LETTER(waiting->role), waiting->call ? waiting->call->name : "none");

	if (write(STDOUT_FILENO, line, (size_t)length) < 0)
		_exit(1);
	_exit(128 + number);
}

static void ignore_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGWINCH, SIG_IGN);
	signal(SIGALRM, say_stuck);
}

static void set_limits(void)
{
	const struct rlimit files = { 256, 256 }, size = { 1 << 20, 1 << 20 };

	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_FSIZE, &size);
}

static void open_mailbox(struct flow *flow)
{
	if (mmap(MAILBOX, sizeof(*MAILBOX), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAILBOX)
		abort();
	payload(flow, MAILBOX->own, sizeof(MAILBOX->own));
	if (own_argument)
		payload(flow, own_argument, strlen(own_argument));
	if (own_variable)
		payload(flow, own_variable, strlen(own_variable));
}

_Noreturn void worker_run(const struct scene *scene, enum role role, unsigned worker,
			  struct tally *tally, unsigned seconds)
{
	static struct flow flow;
	struct timespec now;
	time_t end;

	flow = (struct flow){ .scene = *scene, .tally = tally, .role = role, .worker = worker };
	for (unsigned i = 0; i < SLOTS; i++)
		flow.slots[i].descriptor = -1;
	flow.random = scene->seed ^ (uint64_t)(role * 16 + worker + 1) << 48;
	if (role != ROLE_PUBLIC)
		canary_make(scene->seed, role, flow.canary);
	for (enum role other = ROLE_A; other < ROLE_PUBLIC; other++)
		if (other != role)
			canaries_learn(&flow.canaries, scene->seed, other);
	umask(0);
	waiting = &flow;
	ignore_signals();
	set_limits();
	open_mailbox(&flow);
	gather_calls(scene);
	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + seconds;
	while (now.tv_sec < end && !tally->stop) {
		const uint64_t before = flow.step;

		alarm(120); /* whoever waits longer for anything is stuck, and a failure */
		flow_steps(&flow, 32);
		__atomic_add_fetch(&tally->steps, flow.step - before, __ATOMIC_RELAXED);
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	_exit(0);
}

struct tally *tally_make(void)
{
	void *tally = mmap(NULL, sizeof(struct tally), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return tally == MAP_FAILED ? NULL : tally;
}

void tally_print(const struct scene *scene, const struct tally *tally, enum role role)
{
	gather_calls(scene);
	printf("did %c steps %llu\n", ROLE_LETTER(role), (unsigned long long)tally->steps);
	for (unsigned i = 0; i < call_count; i++)
		printf("call %c %llu %llu %s: %s\n", ROLE_LETTER(role),
		       (unsigned long long)tally->calls[i].made,
		       (unsigned long long)tally->calls[i].succeeded, kind_names[calls[i]->kind],
		       calls[i]->name);
	fflush(stdout);
}

int role_run(const struct scene *scene, enum role role, unsigned workers, unsigned seconds)
{
	struct tally *tally = tally_make();
	int status, failed = tally == NULL;

	for (unsigned i = 0; i < workers && !failed; i++) {
		pid_t child = fork();

		if (child == 0)
			worker_run(scene, role, i, tally, seconds);
		failed |= child < 0;
	}
	while (wait(&status) > 0)
		failed |= status != 0;
	if (!failed) {
		tally_print(scene, tally, role);
	}
	return failed;
}

/* ---- options ---- */

static _Noreturn void usage(void)
{
	fputs("flow stage OPTIONS [-- WORD...]    all three roles; WORD... starts a session\n"
	      "flow role OPTIONS                  one: A, B\n"
	      "flow kinds                         what there is\n"
	      "  --seed N --seconds N --workers N --directory PUBLIC --without KIND,...\n"
	      "  --until-arrival                  the stage ends with the first\n"
	      "  --role A|B --room WORD           WORD is overwritten\n",
	      stderr);
	exit(2);
}

static uint64_t kinds_of(const char *text)
{
	char list[1024], *rest;
	uint64_t kinds = 0;

	snprintf(list, sizeof(list), "%s", text);
	for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		unsigned kind = 0;

		while (kind < KINDS && strcmp(kind_names[kind], word) != 0)
			kind++;
		if (kind == KINDS)
			usage();
		kinds |= 1ULL << kind;
	}
	return kinds;
}

struct options {
	uint64_t seed;
	const char *without;
	unsigned seconds, workers;
	const char *directory;
	enum role role;
	bool until_arrival;
};

static void read_options(int count, char **words, struct options *options)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "workers", required_argument, NULL, 'n' },
		{ "directory", required_argument, NULL, 'd' },
		{ "without", required_argument, NULL, 'w' },
		{ "role", required_argument, NULL, 'r' },
		{ "room", required_argument, NULL, 'm' },
		{ "until-arrival", no_argument, NULL, 'u' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(count, words, "+", known, NULL)) != -1) {
		switch (option) {
		case 's':
			options->seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options->seconds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			options->workers = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			options->directory = optarg;
			break;
		case 'w':
			options->without = optarg;
			break;
		case 'r':
			options->role = *optarg == 'B' ? ROLE_B : ROLE_A;
			break;
		case 'm':
			own_argument = optarg;
			break;
		case 'u':
			options->until_arrival = true;
			break;
		default:
			usage();
		}
	}
}

int main(int count, char **words)
{
	struct options options = { .seconds = 10, .workers = 2, .without = "" };
	struct stage stage = { 0 };

	if (count == 2 && strcmp(words[1], "kinds") == 0) {
		for (unsigned i = 0; i < KINDS; i++)
			puts(kind_names[i]);
		return 0;
	}
	if (count < 2)
		usage();
	own_variable = getenv("FLOW_ROOM");
	stage.program = words[0];
	read_options(count - 1, words + 1, &options);
	if (!options.directory || options.workers < 1 || options.workers > COLLECTORS_MAX)
		usage();
	scene_open(&stage.scene, options.seed, options.directory);
	stage.scene.without = kinds_of(options.without);
	stage.without = options.without;
	stage.workers = options.workers;
	stage.seconds = options.seconds;
	stage.until_arrival = options.until_arrival;
	if (strcmp(words[1], "stage") == 0) {
		if (words[1 + optind])
			stage.words = words + 1 + optind;
		return stage_run(&stage);
	}
	if (strcmp(words[1], "role") != 0)
		usage();
	scene_read_board(&stage.scene);
	return role_run(&stage.scene, options.role, stage.workers, stage.seconds);
}
