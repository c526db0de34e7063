// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls that reach out of a session, by every way into the kernel that a processor has:
 *
 *     calls native|x32|int80      prints {"NAME": "done" or the error's name}, a JSON object
 *
 * Built for x86-64, native is that; built with -m32 it is i386. x32 and int80 are ways of an x86-64
 * program into the other two. Each attempt is made in a child. None harms: where a call could, it
 * is given something by which it fails after the kernel has looked at who calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NONE (-1)
#define X32 0x40000000L
#define FAMILIES 47
#define PROTOCOLS 23
#define TIOCSTI_ 0x5412
#define TIOCLINUX_ 0x541c

enum way { X86_64, I386, X32_WAY };

static enum way way;
static bool by_interrupt; /* i386 from an x86-64 program */
static bool said_one;
static char *self;

/* What calls point at: where 32 bits reach. */
static struct {
	char type[16], description[32], payload[16];
	char handle[160];
	uint32_t numbers[4];
	uint32_t limit[2];
	uint64_t limit64[2];
	unsigned long native_limit[2];
} * low;

/* The call as the kernel sees it; 0 or more, or minus errno. */
static long enter(long number, long a, long b, long c, long d, long e)
{
	long result;

#ifdef __x86_64__
	if (by_interrupt) {
		__asm__ volatile("int $0x80"
				 : "=a"(result)
				 : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
				 : "memory", "r8", "r9", "r10", "r11");
		return result;
	}
#endif
	result = syscall(way == X32_WAY ? number | X32 : number, a, b, c, d, e, 0L);
	return result < 0 ? -errno : result;
}

/* --- saying what came of it --- */

static void say(const char *name, int error)
{
	printf("%s\"%s\": \"%s\"", said_one ? ", " : "{", name,
	       error ? strerrorname_np(error) : "done");
	said_one = true;
}

/* Runs @what in a child and says under @name what it returns, 0 or an errno. */
static void attempt(const char *name, int (*what)(const void *), const void *argument)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(what(argument));
	if (child < 0 || waitpid(child, &status, 0) != child)
		exit(2);
	say(name, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR);
}

/* --- plain calls --- */

struct call {
	const char *name;
	long number[3]; /* by enum way */
	long arguments[5];
};

static int plain(const void *argument)
{
	const struct call *call = argument;
	const long *a = call->arguments;
	long result = enter(call->number[way], a[0], a[1], a[2], a[3], a[4]);

	return result < 0 ? (int)-result : 0;
}

static void plain_calls(void)
{
	const long type = (long)low->type, description = (long)low->description,
		   payload = (long)low->payload, handle = (long)low->handle;
	const struct call calls[] = {
		{ "add_key", { 248, 286, 248 }, { type, description, payload, 1, -2 } },
		{ "request_key", { 249, 287, 249 }, { type, description, 0, 0 } },
		{ "keyctl", { 250, 288, 250 }, { 0, -2, 1 } },
		{ "bpf", { 321, 357, 321 }, { 9999, payload, 16 } },
		{ "perf_event_open", { 298, 336, 298 }, { 0, 0, -1, -1, 0 } },
		{ "userfaultfd", { 323, 374, 323 }, { -1 } },
		{ "kexec_load", { 246, 283, 528 }, { 0, 0, 0, 0xffff0000 } },
		{ "kexec_file_load", { 320, NONE, 320 }, { -1, -1, 0, 0, 0 } },
		{ "init_module", { 175, 128, 175 }, { payload, 0, payload } },
		{ "finit_module", { 313, 350, 313 }, { -1, payload, 0 } },
		{ "delete_module", { 176, 129, 176 }, { description, 04000 } },
		{ "open_by_handle_at", { 304, 342, 304 }, { -100, handle, 0 } },
		{ "io_uring_setup", { 425, 425, 425 }, { 0, payload } },
		{ "io_uring_enter", { 426, 426, 426 }, { -1, 0, 0, 0, 0 } },
		{ "io_uring_register", { 427, 427, 427 }, { -1, 0, 0, 0 } },
		{ "swapon", { 167, 87, 167 }, { 0, 0 } },
		{ "swapoff", { 168, 115, 168 }, { 0 } },
		{ "acct", { 163, 51, 163 }, { 1 } },
		{ "quotactl", { 179, 131, 179 }, { 0x7fffffff, 0, 0, 0 } },
		{ "quotactl_fd", { 443, 443, 443 }, { -1, 0x7fffffff, 0, 0 } },
		{ "tioclinux", { 16, 54, 514 }, { -1, TIOCLINUX_, payload } },
		{ "tioclinux_high",
		  { 16, NONE, 514 },
		  { -1, (long)(1ULL << 32 | TIOCLINUX_), payload } },
		{ "another_ioctl", { 16, 54, 514 }, { -1, 0x5413, payload } },
	};

	strcpy(low->type, "user");
	strcpy(low->description, "privexec-attack");
	strcpy(low->payload, "\n");
	for (size_t i = 0; i < COUNT(calls); i++)
		if (calls[i].number[way] != NONE)
			attempt(calls[i].name, plain, &calls[i]);
}

/* --- sockets --- */

struct made {
	bool pair, hidden; /* socketpair(2); by socketcall(2) */
	int family, protocol;
};

static long make_socket(const struct made *made, int kind)
{
	static const long number[2][3] = { { 41, 359, 41 }, { 53, 360, 53 } };

	if (!made->hidden)
		return enter(number[made->pair][way], made->family, kind, made->protocol,
			     (long)low->numbers, 0);
	low->numbers[0] = (uint32_t)made->family;
	low->numbers[1] = (uint32_t)kind;
	low->numbers[2] = (uint32_t)made->protocol;
	low->numbers[3] = (uint32_t)(long)low->limit; /* where a pair goes */
	return enter(102, made->pair ? 8 : 1, (long)low->numbers, 0, 0, 0);
}

/* Some kind of socket of the family, or else the error that says most. */
static int some_socket(const void *argument)
{
	static const int kinds[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET };
	int error = EAFNOSUPPORT;

	for (size_t i = 0; i < COUNT(kinds); i++) {
		long result = make_socket(argument, kinds[i]);

		if (result >= 0)
			return 0;
		if (error == EAFNOSUPPORT)
			error = (int)-result;
	}
	return error;
}

static int datagram_socket(const void *argument)
{
	long result = make_socket(argument, SOCK_DGRAM);

	return result < 0 ? (int)-result : 0;
}

static void sockets(void)
{
	char name[32];

	for (int family = 0; family < FAMILIES; family++) {
		const struct made made = { .family = family };
		const struct made pair = { .family = family, .pair = true };

		snprintf(name, sizeof(name), "family:%d", family);
		attempt(name, some_socket, &made);
		snprintf(name, sizeof(name), "pair:%d", family);
		attempt(name, some_socket, &pair);
	}
	for (int protocol = 0; protocol < PROTOCOLS; protocol++) {
		const struct made made = { .family = AF_NETLINK, .protocol = protocol };

		snprintf(name, sizeof(name), "netlink:%d", protocol);
		attempt(name, datagram_socket, &made);
	}
	for (int family = AF_UNIX; way == I386 && family <= AF_INET; family++) {
		const struct made made = { .family = family, .hidden = true };

		snprintf(name, sizeof(name), "hidden:%d", family);
		attempt(name, some_socket, &made);
	}
}

/* --- terminals and limits --- */

/* Types a line into a terminal of one's own, with something above the command's 32 bits. */
static int type_into(const void *above)
{
	int outer, inner, flags;
	const char *name;
	char typed;
	long result;

	setsid();
	outer = posix_openpt(O_RDWR | O_NOCTTY);
	if (outer < 0 || grantpt(outer) < 0 || unlockpt(outer) < 0)
		return ENODEV;
	name = ptsname(outer);
	inner = name ? open(name, O_RDWR) : -1;
	if (inner < 0)
		return ENODEV;
	low->payload[0] = '\n';
	result = enter((const long[3]){ 16, 54, 514 }[way], inner, TIOCSTI_ | *(const long *)above,
		       (long)low->payload, 0, 0);
	if (result < 0)
		return (int)-result;
	flags = fcntl(inner, F_GETFL);
	fcntl(inner, F_SETFL, flags | O_NONBLOCK);
	return read(inner, &typed, 1) == 1 ? 0 : ENODATA;
}

/* The errno of a call that set both limits of core dumps to @value; EALREADY when it was said to be
 * done, and is not. */
static int limited(long result, uint32_t value)
{
	struct rlimit now;

	if (result < 0)
		return (int)-result;
	getrlimit(RLIMIT_CORE, &now);
	return now.rlim_cur == value && now.rlim_max == value ? 0 : EALREADY;
}

/* Sets the limit of core dumps, soft and hard, to a number of bytes. */
static int limit_core(const void *bytes)
{
	const uint32_t value = *(const uint32_t *)bytes;
	long result;

	low->limit[0] = low->limit[1] = value;
	low->native_limit[0] = low->native_limit[1] = value;
	result = enter((const long[3]){ 160, 75, 160 }[way], RLIMIT_CORE,
		       way == I386 ? (long)low->limit : (long)low->native_limit, 0, 0, 0);
	return limited(result, value);
}

static int limit_core_64(const void *bytes)
{
	const uint32_t value = *(const uint32_t *)bytes;
	long result;

	low->limit64[0] = low->limit64[1] = value;
	result = enter((const long[3]){ 302, 340, 302 }[way], 0, RLIMIT_CORE, (long)low->limit64, 0,
		       0);
	return limited(result, value);
}

static void terminals_and_limits(void)
{
	const uint32_t none = 0, some = 4096;
	const long nothing = 0;

	attempt("tiocsti", type_into, &nothing);
#ifdef __x86_64__
	if (way == X86_64 || way == X32_WAY) {
		const long above = 1L << 32;

		attempt("tiocsti_high", type_into, &above);
	}
#endif
	attempt("core:raised", limit_core, &some);
	attempt("core64:raised", limit_core_64, &some);
	attempt("core:lowered", limit_core, &none);
	attempt("core64:lowered", limit_core_64, &none);
}

/* --- getting rid of a filter: keyctl(2) shows whether it is there --- */

static int try_keyctl(void)
{
	return syscall(SYS_keyctl, 0, -2, 1) < 0 ? errno : 0;
}

static int after_exec(const void *unused)
{
	(void)unused;
	execl(self, self, "keyctl", NULL);
	return errno;
}

static void *in_thread(void *result)
{
	*(int *)result = try_keyctl();
	return NULL;
}

static int after_thread(const void *unused)
{
	pthread_t thread;
	int result = ENOEXEC;

	(void)unused;
	if (pthread_create(&thread, NULL, in_thread, &result) != 0)
		return EAGAIN;
	pthread_join(thread, NULL);
	return result;
}

static int after_user_namespace(const void *unused)
{
	(void)unused;
	return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0 ? ENOEXEC : try_keyctl();
}

static int after_own_filter(const void *unused)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = { .len = 1, .filter = &allow };

	(void)unused;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return ENOEXEC;
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, NULL);
	return try_keyctl();
}

#ifdef __x86_64__
/* A child that waits to be traced on, then exits with what @act returns. -1: there is none. */
static pid_t start_traced(int (*act)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(act());
	}
	return waitpid(child, &status, 0) == child && WIFSTOPPED(status) ? child : -1;
}

static int try_getppid(void)
{
	/* the arguments of keyctl(2) */
	return syscall(SYS_getppid, 0L, -2L, 1L) < 0 ? errno : 0;
}

/* The tracer turns a harmless call of its child's into keyctl(2), as it enters the kernel. */
static int after_rewriting(const void *unused)
{
	struct user_regs_struct registers;
	int status = 0;
	pid_t child = start_traced(try_getppid);

	(void)unused;
	if (child < 0)
		return ECHILD;
	while (ptrace(PTRACE_SYSCALL, child, 0, 0) == 0 && waitpid(child, &status, 0) == child &&
	       WIFSTOPPED(status)) {
		if (ptrace(PTRACE_GETREGS, child, 0, &registers) < 0)
			break;
		if (registers.orig_rax != SYS_getppid || (long)registers.rax != -ENOSYS)
			continue;
		registers.orig_rax = SYS_keyctl;
		ptrace(PTRACE_SETREGS, child, 0, &registers);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* PTRACE_O_SUSPEND_SECCOMP is for those who save and restore processes. */
static int after_suspending(const void *unused)
{
	int status;
	pid_t child = start_traced(try_keyctl);

	(void)unused;
	if (child < 0)
		return ECHILD;
	ptrace(PTRACE_SETOPTIONS, child, 0, 1 << 21);
	ptrace(PTRACE_CONT, child, 0, 0);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}
#endif

static void getting_rid(void)
{
	attempt("shed:exec", after_exec, NULL);
	attempt("shed:thread", after_thread, NULL);
	attempt("shed:user_namespace", after_user_namespace, NULL);
	attempt("shed:filter", after_own_filter, NULL);
#ifdef __x86_64__
	attempt("shed:rewriting", after_rewriting, NULL);
	attempt("shed:suspending", after_suspending, NULL);
#endif
}

int main(int argc, char **argv)
{
	const char *chosen = argc == 2 ? argv[1] : "";

	self = argv[0];
	if (strcmp(chosen, "keyctl") == 0)
		return try_keyctl();
#ifdef __x86_64__
	way = strcmp(chosen, "x32") == 0 ? X32_WAY : X86_64;
	by_interrupt = strcmp(chosen, "int80") == 0;
	if (by_interrupt)
		way = I386;
	low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
#else
	way = I386;
	low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#endif
	if (low == MAP_FAILED || (strcmp(chosen, "native") != 0 && way == X86_64)) {
		fprintf(stderr, "usage: calls native|x32|int80\n");
		return 2;
	}
	/* a kernel without this way in says so to everything; or ends the process */
	if (enter((const long[3]){ SYS_getpid, 20, 39 }[way], 0, 0, 0, 0, 0) != getpid()) {
		puts("{}");
		return 0;
	}
	plain_calls();
	sockets();
	terminals_and_limits();
	if (way == X86_64 || !by_interrupt)
		getting_rid();
	puts("}");
	return 0;
}
