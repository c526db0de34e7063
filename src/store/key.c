// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/key.h"

/*
 * In the process keyring, of this process alone: whoever else knows the serial number does not
 * possess the key, and others' permissions let them do nothing with it but see its name.
 */
#define KEYRING KEY_SPEC_PROCESS_KEYRING
#define POSSESSOR_SEARCH 0x08000000U

static int32_t add(const char *type, const char *description, const void *payload, size_t size)
{
	return (int32_t)syscall(SYS_add_key, type, description, payload, size, KEYRING);
}

static long control(int operation, int32_t key, unsigned long argument)
{
	return syscall(SYS_keyctl, operation, key, argument, 0, 0);
}

/*
 * Whoever could both possess the new key and name a wrapping key of his own could have the kernel
 * wrap the payload again (KEYCTL_UPDATE) and read it. So the permission to write or read goes
 * first, and the wrapping key with it.
 */
static int make_encrypted(const char *master, int32_t master_serial, struct key *key)
{
	char payload[96];
	int error = 0;

	snprintf(payload, sizeof(payload), "new default user:%s %d", master, KEY_BYTES);
	key->serial = add("encrypted", key->description, payload, strlen(payload));
	if (key->serial < 0)
		error = -errno;
	else if (control(KEYCTL_SETPERM, key->serial, POSSESSOR_SEARCH) < 0)
		error = -errno;
	if (control(KEYCTL_INVALIDATE, master_serial, 0) < 0 && !error)
		error = -errno;
	if (error && key->serial >= 0)
		key_destroy(key);
	return error;
}

int key_make(const char *name, struct key *ret_key, struct problem *problem)
{
	unsigned char bytes[32];
	char master[KEY_DESCRIPTION_SIZE];
	int32_t serial = -1;
	int error = 0;

	snprintf(ret_key->description, sizeof(ret_key->description), "privexec:%s", name);
	snprintf(master, sizeof(master), "privexec-wrap:%s", name);
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		error = -EIO;
	if (!error) {
		serial = add("user", master, bytes, sizeof(bytes));
		error = serial < 0 ? -errno : 0;
	}
	explicit_bzero(bytes, sizeof(bytes));
	if (!error)
		error = make_encrypted(master, serial, ret_key);
	if (error)
		return problem_set(problem, -error,
				   "cannot make a key in the kernel: %s; does it have keys of type "
				   "\"encrypted\" (encrypted-keys)?",
				   strerror(-error));
	return 0;
}

void key_destroy(struct key *key)
{
	/* by the process that possesses it; unlinked from the keyring with it */
	control(KEYCTL_INVALIDATE, key->serial, 0);
	key->serial = -1;
}
