// SPDX-License-Identifier: GPL-2.0-or-later
/* What one holds already: slots of all kinds, what was inherited, standard input, the terminal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "flow.h"

static int slot_read(struct flow *flow)
{
	struct slot *slot = slot_draw(flow);

	if (!slot)
		return -EBADF;
	if (draw(flow, 2))
		lseek(slot->descriptor, 0, SEEK_SET);
	return take_from(flow, slot->kind, "a descriptor held", slot->descriptor);
}

static int slot_write(struct flow *flow)
{
	struct slot *slot = slot_draw(flow);

	return slot ? give_to(flow, slot->descriptor) : -EBADF;
}

static int slot_close(struct flow *flow)
{
	struct slot *slot = slot_draw(flow);

	if (!slot)
		return -EBADF;
	close(slot->descriptor);
	slot->descriptor = -1;
	return 0;
}

/* One of one's slots, or what may be inherited. */
static int any(struct flow *flow)
{
	struct slot *slot = draw(flow, 4) ? slot_draw(flow) : NULL;

	return slot ? slot->descriptor
		    : INHERITED_FILE + (int)draw(flow, INHERITED_END - INHERITED_FILE);
}

static int move_bytes(struct flow *flow)
{
	char bytes[64];
	struct iovec vector = { bytes, payload(flow, bytes, sizeof(bytes)) };
	int from = any(flow), to = any(flow);
	ssize_t moved;

	switch (draw(flow, 5)) {
	case 0:
		moved = splice(from, NULL, to, NULL, 4096, SPLICE_F_NONBLOCK);
		break;
	case 1:
		moved = tee(from, to, 4096, SPLICE_F_NONBLOCK);
		break;
	case 2:
		moved = vmsplice(to, &vector, 1, SPLICE_F_NONBLOCK);
		break;
	case 3:
		moved = wait_for(to, POLLOUT, 0) ? sendfile(to, from, NULL, 4096) : -1;
		break;
	default:
		moved = wait_for(to, POLLOUT, 0) ? copy_file_range(from, NULL, to, NULL, 4096, 0)
						 : -1;
	}
	return moved < 0 ? -errno : 0;
}

static int pass_descriptor(struct flow *flow)
{
	struct slot *slot = slot_draw_kind(flow, KIND_UNIX, KIND_ABSTRACT_INWARD);
	char bytes[32], control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec vector = { bytes, payload(flow, bytes, sizeof(bytes)) };
	struct msghdr message = { .msg_iov = &vector,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int given = any(flow);

	if (!slot)
		return -EBADF;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &given, sizeof(int));
	return sendmsg(slot->descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Opened anew: with rights that the descriptor did not have. */
static int reopen(struct flow *flow)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct slot *slot = slot_draw(flow);
	char path[32];
	int opened;

	if (!slot)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", slot->descriptor);
	opened = open(path, modes[draw(flow, 3)] | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	slot_fill(flow, slot->kind, opened);
	return opened < 0 ? -errno : 0;
}

static int memory_file(struct flow *flow)
{
	char bytes[64];
	int file = memfd_create("flow", MFD_CLOEXEC);

	if (file < 0)
		return -errno;
	if (write(file, bytes, payload(flow, bytes, sizeof(bytes))) < 0)
		return -errno;
	slot_fill(flow, KIND_DESCRIPTOR, file);
	return 0;
}

static int inherited(struct flow *flow)
{
	int descriptor = INHERITED_FILE + (int)draw(flow, INHERITED_END - INHERITED_FILE);
	char bytes[64];

	if (fcntl(descriptor, F_GETFD) < 0)
		return -errno;
	if (descriptor == INHERITED_DIRECTORY) {
		char name[32];
		int file;

		snprintf(name, sizeof(name), "%s-f%u", flow->scene.prefix, draw(flow, NAMES));
		file = openat(descriptor, name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		slot_fill(flow, KIND_INHERITED, file);
		return file < 0 ? -errno : 0;
	}
	if (flow->role != ROLE_PUBLIC && draw(flow, 2))
		return give_to(flow, descriptor);
	if (descriptor == INHERITED_FILE || descriptor == INHERITED_MEMORY) {
		taken(flow, KIND_INHERITED, "a file inherited", bytes,
		      pread(descriptor, bytes, sizeof(bytes), draw(flow, 64)));
		return 0;
	}
	return take_from(flow, KIND_INHERITED, "a pipe or socket inherited", descriptor);
}

/* Standard input is a public file, for reading. */
static int input(struct flow *flow)
{
	static const int modes[] = { O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC };
	char path[256], bytes[64];
	int file, error;

	if (flow->role == ROLE_PUBLIC) {
		snprintf(path, sizeof(path), "%s/input", flow->scene.directory);
		file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			return -errno;
		taken(flow, KIND_INPUT, path, bytes, read(file, bytes, sizeof(bytes)));
		close(file);
		return 0;
	}
	file = draw(flow, 2) ? open("/proc/self/fd/0", modes[draw(flow, 3)] | O_CLOEXEC)
			     : dup(STDIN_FILENO);
	if (file < 0)
		return -errno;
	error = pwrite(file, bytes, payload(flow, bytes, sizeof(bytes)), 0) < 0 ? -errno : 0;
	close(file);
	return error;
}

static int terminal_open(struct flow *flow)
{
	const char *path = draw(flow, 2) ? "/dev/tty" : flow->scene.terminal;
	int terminal = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	slot_fill(flow, KIND_TERMINAL, terminal);
	return terminal < 0 ? -errno : 0;
}

static int terminal_give(struct flow *flow)
{
	struct slot *slot = slot_draw_kind(flow, KIND_TERMINAL, KIND_TERMINAL);
	struct winsize size;
	char bytes[32];

	if (!slot)
		return -EBADF;
	payload(flow, bytes, sizeof(bytes));
	switch (draw(flow, 3)) {
	case 0:
		return give_to(flow, slot->descriptor);
	case 1:
		memcpy(&size, bytes, sizeof(size));
		return ioctl(slot->descriptor, TIOCSWINSZ, &size) < 0 ? -errno : 0;
	default:
		for (size_t i = 0; i < sizeof(bytes); i++)
			if (ioctl(slot->descriptor, TIOCSTI, bytes + i) < 0)
				return -errno;
		return 0;
	}
}

static int terminal_take(struct flow *flow)
{
	struct slot *slot = slot_draw_kind(flow, KIND_TERMINAL, KIND_TERMINAL);
	int terminal = draw(flow, 2) && slot ? slot->descriptor : TERMINAL_MASTER;
	struct winsize size;

	if (ioctl(terminal, TIOCGWINSZ, &size) < 0)
		return -errno;
	taken(flow, KIND_TERMINAL, "the terminal's size", &size, sizeof(size));
	return take_from(flow, KIND_TERMINAL, "the terminal", terminal);
}

const struct call descriptor_calls[] = {
	{ "read", KIND_DESCRIPTOR, 40, 0, slot_read },
	{ "write", KIND_DESCRIPTOR, 30, GIVES, slot_write },
	{ "close", KIND_DESCRIPTOR, 10, 0, slot_close },
	{ "splice, tee, vmsplice, sendfile", KIND_DESCRIPTOR, 30, 0, move_bytes },
	{ "sendmsg SCM_RIGHTS", KIND_DESCRIPTOR, 20, GIVES, pass_descriptor },
	{ "open /proc/self/fd", KIND_DESCRIPTOR, 10, 0, reopen },
	{ "memfd_create", KIND_DESCRIPTOR, 5, 0, memory_file },
	{ "read, write what is inherited", KIND_INHERITED, 20, 0, inherited },
	{ "open standard input anew", KIND_INPUT, 10, 0, input },
	{ "open a terminal", KIND_TERMINAL, 6, 0, terminal_open },
	{ "write, TIOCSTI, TIOCSWINSZ", KIND_TERMINAL, 10, GIVES, terminal_give },
	{ "read a terminal", KIND_TERMINAL, 10, 0, terminal_take },
	{ 0 },
};
