// SPDX-License-Identifier: GPL-2.0-or-later
/* Other processes: signals, memory, what /proc shows of them, their descriptors. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "flow.h"

#define TARGETS 64
#define REFRESH 64 /* uses of a list */

/* Neither process 1, nor the stage, nor privexec's own, which hold nobody's canary. */
static bool may_be_touched(const struct flow *flow, pid_t pid)
{
	char path[64], name[32] = { 0 };
	int file;

	if (pid <= 1 || pid == flow->scene.stage || pid == getpid())
		return false;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	if (read(file, name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	close(file);
	return name[0] && strncmp(name, "privexec", 8) != 0 && strncmp(name, "pasta", 5) != 0;
}

/* A process that can be seen, or one of the public's, by its number on the host. 0: none. */
static pid_t target(struct flow *flow)
{
	static pid_t found[TARGETS];
	static unsigned count, uses;
	struct dirent *entry;
	DIR *processes;

	if (uses++ % REFRESH == 0) {
		count = 0;
		processes = opendir("/proc");
		while (processes && count < TARGETS && (entry = readdir(processes))) {
			pid_t pid = atoi(entry->d_name);

			if (may_be_touched(flow, pid))
				found[count++] = pid;
		}
		if (processes)
			closedir(processes);
	}
	if (count == 0 || (flow->scene.collector_count > 0 && draw(flow, 8) == 0))
		return flow->scene.collector_count
			       ? flow->scene.collectors[draw(flow, flow->scene.collector_count)]
			       : 0;
	return found[draw(flow, count)];
}

/* Does it block the signal @number? All processes of the scene do those that are sent. */
static bool blocks(pid_t pid, int number)
{
	char path[64], line[1024];
	unsigned long long blocked = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		return false;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	fclose(status);
	return blocked >> (number - 1) & 1;
}

static bool is_collector(const struct flow *flow, pid_t pid)
{
	for (unsigned i = 0; i < flow->scene.collector_count; i++)
		if (flow->scene.collectors[i] == pid)
			return true;
	return false;
}

/*
 * Not by the public: what is to become a front, or a session's command, has all blocked for a
 * moment, and whoever sends then ends a session. The public's own are sent to unseen: they are
 * there as long as the stage is.
 */
static int signal_send(struct flow *flow)
{
	pid_t pid = target(flow);
	int number = SIGRTMIN + (int)draw(flow, 4);
	siginfo_t info = { .si_code = SI_QUEUE };

	if (flow->role == ROLE_PUBLIC)
		return -ECANCELED;
	if (pid <= 1 ||
	    (!is_collector(flow, pid) && (!may_be_touched(flow, pid) || !blocks(pid, number))))
		return -ESRCH;
	info.si_signo = number;
	info.si_pid = getpid();
	info.si_uid = getuid();
	payload(flow, &info.si_value, sizeof(info.si_value));
	return syscall(SYS_rt_sigqueueinfo, pid, number, &info) < 0 ? -errno : 0;
}

static int signal_wait(struct flow *flow)
{
	const struct timespec now = { 0 };
	siginfo_t info;
	sigset_t wanted;

	sigemptyset(&wanted);
	for (int i = 0; i < 4; i++)
		sigaddset(&wanted, SIGRTMIN + i);
	if (sigtimedwait(&wanted, &info, &now) < 0)
		return -errno;
	taken(flow, KIND_SIGNAL, "a signal's value", &info.si_value, sizeof(info.si_value));
	return 0;
}

static int memory_read(struct flow *flow)
{
	char bytes[sizeof(MAILBOX->own)], path[64];
	struct iovec local = { bytes, sizeof(bytes) }, remote = { MAILBOX->own, sizeof(bytes) };
	pid_t pid = target(flow);
	ssize_t size;
	int file;

	if (pid <= 1)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	if (draw(flow, 2)) {
		size = process_vm_readv(pid, &local, 1, &remote, 1, 0);
		taken(flow, KIND_MEMORY, "process_vm_readv", bytes, size);
		return size < 0 ? -errno : 0;
	}
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	taken(flow, KIND_MEMORY, path, bytes,
	      pread(file, bytes, sizeof(bytes), (off_t)(uintptr_t)MAILBOX->own));
	close(file);
	return 0;
}

static int memory_write(struct flow *flow)
{
	char bytes[64], path[64];
	struct iovec local = { bytes, payload(flow, bytes, sizeof(bytes)) },
		     remote = { MAILBOX->inbox, sizeof(bytes) };
	pid_t pid = target(flow);
	int file, error;

	if (pid <= 1)
		return -ESRCH;
	if (draw(flow, 2))
		return process_vm_writev(pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	error = pwrite(file, bytes, sizeof(bytes), (off_t)(uintptr_t)MAILBOX->inbox) < 0 ? -errno
											 : 0;
	close(file);
	return error;
}

static int memory_look(struct flow *flow)
{
	taken(flow, KIND_MEMORY, "own memory, written by another", MAILBOX->inbox,
	      sizeof(MAILBOX->inbox));
	return 0;
}

/* In a child: its end lets go of whom it traces. */
static int trace(struct flow *flow)
{
	pid_t pid = target(flow);
	const struct timespec moment = { .tv_nsec = 1000000 };
	long words[4];

	if (pid <= 1 || ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return -EPERM;
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	for (int i = 0; i < 20 && waitpid(pid, NULL, WNOHANG | __WALL) == 0; i++)
		nanosleep(&moment, NULL);
	for (size_t i = 0; i < 4; i++) {
		errno = 0;
		words[i] = ptrace(PTRACE_PEEKDATA, pid, MAILBOX->own + i * sizeof(long), 0);
	}
	taken(flow, KIND_MEMORY, "ptrace", words, sizeof(words));
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}

static int trace_other(struct flow *flow)
{
	return flow_nest(flow, trace, 0);
}

static int read_file(struct flow *flow, enum kind kind, const char *path)
{
	char bytes[4096];
	int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (file < 0)
		return -errno;
	taken(flow, kind, path, bytes, read(file, bytes, sizeof(bytes)));
	/* what is left out must not come by a descriptor of it, taken from one's own like */
	if (kind == KIND_PROCESS_FILE)
		slot_fill(flow, kind, file);
	else
		close(file);
	return 0;
}

static int process_file(struct flow *flow)
{
	const struct scene *scene = &flow->scene;
	const char *place = scene->directories[draw(flow, scene->directory_count)];
	char path[256];
	pid_t pid = target(flow);

	if (pid <= 1)
		return -ESRCH;
	switch (draw(flow, 3)) {
	case 0:
		snprintf(path, sizeof(path), "/proc/%d/environ", pid);
		break;
	case 1:
		/* not standard output, where reports go */
		snprintf(path, sizeof(path), "/proc/%d/fd/%u", pid, 3 + draw(flow, 60));
		break;
	default:
		snprintf(path, sizeof(path), "/proc/%d/%s%s/%s-f%u", pid,
			 draw(flow, 2) ? "root" : "cwd/../../../../../..", place, scene->prefix,
			 draw(flow, NAMES));
	}
	return read_file(flow, KIND_PROCESS_FILE, path);
}

static int process_name(struct flow *flow)
{
	static const char *const files[] = { "comm", "cmdline", "stat", "mountinfo" };
	char path[64];
	pid_t pid = target(flow);

	if (pid <= 1)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[draw(flow, 4)]);
	return read_file(flow, KIND_PROCESS_NAME, path);
}

static int own_name(struct flow *flow)
{
	char name[16] = { 0 };

	/* the public's would not be told from others by theirs */
	if (flow->role == ROLE_PUBLIC)
		return 0;
	payload(flow, name, sizeof(name) - 1);
	return prctl(PR_SET_NAME, name) < 0 ? -errno : 0;
}

/* One that matters to nobody who is not scheduled in real time. */
static int own_limit(struct flow *flow)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_RTTIME, &limit) < 0)
		return -errno;
	if (flow->role != ROLE_PUBLIC)
		payload(flow, &limit.rlim_cur, sizeof(limit.rlim_cur));
	return setrlimit(RLIMIT_RTTIME, &limit) < 0 ? -errno : 0;
}

static int limit_of_other(struct flow *flow)
{
	struct rlimit limit;
	pid_t pid = target(flow);

	if (pid <= 1)
		return -ESRCH;
	if (prlimit(pid, RLIMIT_RTTIME, NULL, &limit) < 0)
		return -errno;
	taken(flow, KIND_PROCESS_NAME, "prlimit", &limit.rlim_cur, sizeof(limit.rlim_cur));
	return 0;
}

static int bound_names(struct flow *flow)
{
	char path[64];
	pid_t pid = target(flow);

	if (pid <= 1)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/net/unix", pid);
	return read_file(flow, KIND_BOUND_NAME, path);
}

static int take_descriptor(struct flow *flow)
{
	pid_t pid = target(flow);
	int pidfd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1, got;

	if (pidfd < 0)
		return -ESRCH;
	got = (int)syscall(SYS_pidfd_getfd, pidfd, 3 + draw(flow, 60), 0);
	close(pidfd);
	slot_fill(flow, KIND_DESCRIPTOR, got);
	return got < 0 ? -errno : 0;
}

const struct call process_calls[] = {
	{ "rt_sigqueueinfo", KIND_SIGNAL, 8, GIVES, signal_send },
	{ "rt_sigtimedwait", KIND_SIGNAL, 8, 0, signal_wait },
	{ "process_vm_readv, /proc/PID/mem", KIND_MEMORY, 12, LOOKS_IN, memory_read },
	{ "process_vm_writev, /proc/PID/mem", KIND_MEMORY, 8, GIVES | LOOKS_IN, memory_write },
	{ "look at own memory", KIND_MEMORY, 4, 0, memory_look },
	{ "ptrace", KIND_MEMORY, 1, NESTS | LOOKS_IN, trace_other },
	{ "open /proc/PID", KIND_PROCESS_FILE, 20, LOOKS_IN, process_file },
	{ "read /proc/PID/comm, cmdline, mountinfo", KIND_PROCESS_NAME, 6, 0, process_name },
	{ "prctl PR_SET_NAME", KIND_PROCESS_NAME, 4, GIVES, own_name },
	{ "setrlimit", KIND_PROCESS_NAME, 4, GIVES, own_limit },
	{ "prlimit", KIND_PROCESS_NAME, 4, 0, limit_of_other },
	{ "read /proc/PID/net", KIND_BOUND_NAME, 3, 0, bound_names },
	{ "pidfd_getfd", KIND_DESCRIPTOR, 15, LOOKS_IN, take_descriptor },
	{ 0 },
};
