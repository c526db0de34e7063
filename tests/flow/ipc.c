// SPDX-License-Identifier: GPL-2.0-or-later
/* System V's and POSIX's, and keys. */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "flow.h"

#define MEMORY_SIZE 4096
#define SEMAPHORES 16

static int shared_memory(struct flow *flow)
{
	int key = scene_sysv_key(&flow->scene, draw(flow, NAMES));
	int object = shmget(key, MEMORY_SIZE, IPC_CREAT | 0666);
	char *memory;

	if (object < 0)
		return -errno;
	memory = shmat(object, NULL, 0);
	if (memory == (void *)-1)
		return -errno;
	taken(flow, KIND_SHARED_MEMORY, "shm", memory, MEMORY_SIZE);
	if (flow->role != ROLE_PUBLIC)
		payload(flow, memory + draw(flow, MEMORY_SIZE / 32) * 32, 32);
	shmdt(memory);
	return 0;
}

struct text_message {
	long type;
	char text[64];
};

static int message_send(struct flow *flow)
{
	struct text_message message = { .type = 1 + draw(flow, 3) };
	int queue = msgget(scene_sysv_key(&flow->scene, draw(flow, NAMES)), IPC_CREAT | 0666);

	if (queue < 0)
		return -errno;
	payload(flow, message.text, sizeof(message.text));
	return msgsnd(queue, &message, sizeof(message.text), IPC_NOWAIT) < 0 ? -errno : 0;
}

static int message_receive(struct flow *flow)
{
	struct text_message message = { 0 };
	int queue = msgget(scene_sysv_key(&flow->scene, draw(flow, NAMES)), IPC_CREAT | 0666);
	ssize_t size;

	if (queue < 0)
		return -errno;
	size = msgrcv(queue, &message, sizeof(message.text), 0, IPC_NOWAIT | MSG_NOERROR);
	taken(flow, KIND_MESSAGE, "msg", message.text, size);
	return size < 0 ? -errno : 0;
}

/* What sixteen semaphores count is 32 bytes, but for the upper bit of each, which letters lack. */
static int semaphores(struct flow *flow)
{
	int key = scene_sysv_key(&flow->scene, draw(flow, NAMES));
	int object = semget(key, SEMAPHORES, IPC_CREAT | 0666);
	unsigned short values[SEMAPHORES];

	if (object < 0)
		return -errno;
	if (semctl(object, 0, GETALL, values) < 0)
		return -errno;
	taken(flow, KIND_SEMAPHORE, "sem", values, sizeof(values));
	if (flow->role == ROLE_PUBLIC)
		return 0;
	payload(flow, values, sizeof(values));
	return semctl(object, 0, SETALL, values) < 0 ? -errno : 0;
}

static int queue_open(struct flow *flow)
{
	struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	char name[32];
	int queue;

	snprintf(name, sizeof(name), "/%s-q%u", flow->scene.prefix, draw(flow, NAMES));
	queue = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666, &attributes);
	slot_fill(flow, KIND_QUEUE, queue);
	return queue < 0 ? -errno : 0;
}

/* Also of queues that were opened by their paths. */
static int queue_use(struct flow *flow)
{
	struct slot *slot = slot_draw_kind(flow, KIND_QUEUE, KIND_QUEUE);
	const struct timespec past = { 0 };
	char bytes[8192];
	ssize_t size;

	if (!slot)
		return -EBADF;
	if (flow->role != ROLE_PUBLIC && draw(flow, 2)) {
		payload(flow, bytes, 64);
		return mq_timedsend(slot->descriptor, bytes, 64, 0, &past) < 0 ? -errno : 0;
	}
	size = mq_timedreceive(slot->descriptor, bytes, sizeof(bytes), NULL, &past);
	taken(flow, KIND_QUEUE, "mqueue", bytes, size);
	return size < 0 ? -errno : 0;
}

/* For everybody, so that whoever learns its number may read it. */
#define KEY_FOR_ALL 0x3f3f3f3f

static int key_make(struct flow *flow)
{
	static const int rings[] = { KEY_SPEC_PROCESS_KEYRING, KEY_SPEC_SESSION_KEYRING,
				     KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING };
	char name[64] = { 0 }, bytes[64];
	size_t length = (size_t)snprintf(name, sizeof(name), "%s-%u-", flow->scene.prefix,
					 draw(flow, NAMES));
	long key;

	if (flow->role != ROLE_PUBLIC && draw(flow, 2))
		memcpy(name + length, flow->canary, CANARY_SIZE);
	key = syscall(SYS_add_key, "user", name, bytes, payload(flow, bytes, sizeof(bytes)),
		      rings[draw(flow, 4)]);
	if (key < 0)
		return -errno;
	syscall(SYS_keyctl, KEYCTL_SETPERM, key, KEY_FOR_ALL);
	return 0;
}

static int key_read(struct flow *flow)
{
	FILE *keys = fopen("/proc/keys", "re");
	char line[512], bytes[256];
	unsigned number;
	int found = -ENOENT;

	while (keys && fgets(line, sizeof(line), keys)) {
		if (!strstr(line, flow->scene.prefix) || sscanf(line, "%x", &number) != 1)
			continue;
		taken(flow, KIND_KEY, "/proc/keys", line, (ssize_t)strlen(line));
		taken(flow, KIND_KEY, "a key", bytes,
		      syscall(SYS_keyctl, KEYCTL_READ, number, bytes, sizeof(bytes)));
		if (draw(flow, 8) == 0)
			syscall(SYS_keyctl, KEYCTL_INVALIDATE, number);
		found = 0;
	}
	if (keys)
		fclose(keys);
	return found;
}

const struct call ipc_calls[] = {
	{ "shmget, shmat", KIND_SHARED_MEMORY, 15, 0, shared_memory },
	{ "msgsnd", KIND_MESSAGE, 10, GIVES, message_send },
	{ "msgrcv", KIND_MESSAGE, 10, 0, message_receive },
	{ "semctl", KIND_SEMAPHORE, 12, 0, semaphores },
	{ "mq_open", KIND_QUEUE, 6, 0, queue_open },
	{ "mq_timedsend, mq_timedreceive", KIND_QUEUE, 12, 0, queue_use },
	{ "add_key", KIND_KEY, 8, GIVES, key_make },
	{ "keyctl", KIND_KEY, 4, 0, key_read },
	{ 0 },
};
