// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/places.h"
#include "cgroup/cgroup.h"
#include "keeper/access.h"
#include "keeper/state.h"
#include "store/mapper.h"

#define LOCK_WAIT_MILLISECONDS 10000

/* Every file that a session's directory may hold. */
static const char *const files[] = { "promise", "cgroup",     "ended", "held",
				     "mapper",	"state.json", "keeper" };

/* Opens directory @name, which must be root's alone; makes it if missing. */
static int open_directory(int parent, const char *name, mode_t mode)
{
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return descriptor_open_trusted(parent, name);
}

/* A listing of @directory, whose descriptor stays the caller's. NULL with errno set. */
static DIR *list(int directory)
{
	int listing = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *opened = listing < 0 ? NULL : fdopendir(listing);

	if (!opened)
		descriptor_close(&listing);
	return opened;
}

/* Is there a file @name? */
static bool has(int directory, const char *name)
{
	return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int take_lock(int root)
{
	int64_t limit = clock_milliseconds() + LOCK_WAIT_MILLISECONDS;
	int lock = openat(root, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (lock < 0)
		return -errno;
	while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		const struct timespec pause = { .tv_nsec = 500000 };

		if (errno != EWOULDBLOCK || clock_milliseconds() > limit) {
			int error = errno;

			close(lock);
			return -error;
		}
		nanosleep(&pause, NULL);
	}
	return lock;
}

void state_remove(int user_directory, const char *id)
{
	_cleanup_close_ int directory =
		openat(user_directory, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; directory >= 0 && i < sizeof(files) / sizeof(*files); i++)
		unlinkat(directory, files[i], 0);
	unlinkat(user_directory, id, AT_REMOVEDIR);
}

/*
 * Removes what a session left whose keeper and sweeper were both killed. Returns false when it has
 * to stay for now, since its cgroup does: a process that hangs in a file server's hands cannot be
 * killed.
 */
static bool sweep(int user_directory, const char *id, int session, int cgroup_root)
{
	char path[CGROUP_PATH_MAX];

	if (has(session, "mapper"))
		mapper_sweep(id);
	if (descriptor_read_file(session, "cgroup", path, sizeof(path)) > 0 &&
	    (cgroup_root < 0 || !cgroup_sweep(cgroup_root, path)))
		return false;
	state_remove(user_directory, id);
	return true;
}

static uint64_t read_promise(int session)
{
	char text[32];
	uint64_t bytes = 0;

	if (descriptor_read_file(session, "promise", text, sizeof(text)) <= 0)
		return 0;
	return sscanf(text, "%" SCNu64, &bytes) == 1 ? bytes : 0;
}

/* Counts the sessions below @user_directory, those that cannot be swept too, and sweeps the dead.
 */
static int survey_user(int user_directory, int cgroup_root, struct state_count *ret_count)
{
	DIR *directory = list(user_directory);
	struct dirent *entry;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory))) {
		_cleanup_close_ int session = -1;

		if (entry->d_name[0] == '.')
			continue;
		session = openat(user_directory, entry->d_name,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (session < 0)
			continue;
		if (flock(session, LOCK_EX | LOCK_NB) == 0 &&
		    sweep(user_directory, entry->d_name, session, cgroup_root))
			continue;
		if (has(session, "ended"))
			continue;
		if (has(session, "held")) {
			snprintf(ret_count->held, sizeof(ret_count->held), "%.8s", entry->d_name);
			ret_count->held_of_user += 1;
			continue;
		}
		ret_count->sessions_of_user += 1;
		ret_count->bytes_promised += read_promise(session);
	}
	closedir(directory);
	return 0;
}

static int survey(const struct state *state, uid_t uid, int cgroup_root,
		  struct state_count *ret_count)
{
	DIR *directory = list(state->root);
	struct dirent *entry;
	char own[16];

	if (!directory)
		return -errno;
	snprintf(own, sizeof(own), "%u", uid);
	while ((entry = readdir(directory))) {
		_cleanup_close_ int user = -1;
		struct state_count count = { 0 };

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		user = openat(state->root, entry->d_name,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (user < 0 || survey_user(user, cgroup_root, &count) < 0)
			continue;
		count.bytes_promised += ret_count->bytes_promised;
		if (strcmp(entry->d_name, own) == 0)
			*ret_count = count;
		else
			ret_count->bytes_promised = count.bytes_promised;
	}
	closedir(directory);
	return 0;
}

/* Has any user a session @id? Devices and control groups are named by the id alone. */
static bool is_taken(const struct state *state, const char *id)
{
	DIR *directory = list(state->root);
	struct dirent *entry;
	bool taken = false;

	if (!directory)
		return false;
	while (!taken && (entry = readdir(directory))) {
		char path[sizeof(entry->d_name) + SESSION_ID_LENGTH + 2];

		snprintf(path, sizeof(path), "%s/%s", entry->d_name, id);
		taken = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
			has(state->root, path);
	}
	closedir(directory);
	return taken;
}

/* Under the lock, so that it stays free until it is entered. */
static int choose_id(struct state *state)
{
	uint32_t number;

	do {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -errno;
		snprintf(state->id, sizeof(state->id), "%08" PRIx32, number);
	} while (is_taken(state, state->id));
	return 0;
}

int state_open(uid_t uid, int cgroup_root, struct state *ret_state, struct state_count *ret_count,
	       struct problem *problem)
{
	struct state state = STATE_NONE;
	char user[16];
	int error;

	*ret_count = (struct state_count){ 0 };
	snprintf(user, sizeof(user), "%u", uid);
	state.root = open_directory(AT_FDCWD, STATE_DIRECTORY, 0711);
	state.lock = state.root < 0 ? state.root : take_lock(state.root);
	state.user = state.lock < 0 ? state.lock : open_directory(state.root, user, 0700);
	error = state.user < 0 ? state.user : 0;
	if (error == -EWOULDBLOCK)
		problem_set(problem, -error,
			    "other sessions were being started for ten seconds on "
			    "end; try again");
	else if (error)
		problem_set(problem, -error,
			    "cannot use %s: %s; it must be a directory on a writable file system, "
			    "owned by root and not writable by others",
			    STATE_DIRECTORY, strerror(-error));
	if (!error)
		error = access_allow_user(state.user, uid);
	if (!error)
		error = survey(&state, uid, cgroup_root, ret_count);
	if (!error)
		error = choose_id(&state);
	if (error) {
		state_close(&state);
		return problem_set(problem, -error, "cannot read %s: %s", STATE_DIRECTORY,
				   strerror(-error));
	}
	*ret_state = state;
	return 0;
}

static int write_new(int directory, const char *name, const char *text)
{
	_cleanup_close_ int file =
		openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	return file < 0 ? -errno : descriptor_write_all(file, text, strlen(text));
}

void state_unlock(struct state *state)
{
	/* explicitly: children that were forked meanwhile hold the same lock by their descriptors
	 */
	if (state->lock >= 0)
		flock(state->lock, LOCK_UN);
	descriptor_close(&state->lock);
}

/* Makes the directory of a session, locked for as long as it is open. A descriptor, or a negative
 * errno. */
static int make_session(int user_directory, const char *id)
{
	_cleanup_close_ int directory = -1;

	if (mkdirat(user_directory, id, 0755) < 0)
		return -errno;
	directory = openat(user_directory, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0 || flock(directory, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return descriptor_take(&directory);
}

int state_enter(struct state *state, uint64_t bytes_promised, struct problem *problem)
{
	char text[32];
	int error;

	snprintf(text, sizeof(text), "%" PRIu64, bytes_promised);
	state->directory = make_session(state->user, state->id);
	error = state->directory < 0 ? state->directory : 0;
	if (!error)
		error = write_new(state->directory, "promise", text);
	state_unlock(state);
	if (error)
		return problem_set(problem, -error,
				   "cannot enter the session in %s: %s; is that file system full?",
				   STATE_DIRECTORY, strerror(-error));
	return 0;
}

int state_record_cgroup(const struct state *state, const char *path, struct problem *problem)
{
	int error = write_new(state->directory, "cgroup", path);

	if (error)
		return problem_set(problem, -error, "cannot record the session's cgroup in %s: %s",
				   STATE_DIRECTORY, strerror(-error));
	return 0;
}

int state_record_mapper(const struct state *state, struct problem *problem)
{
	int error = write_new(state->directory, "mapper", "");

	if (error)
		return problem_set(problem, -error, "cannot write to %s: %s", STATE_DIRECTORY,
				   strerror(-error));
	return 0;
}

int state_describe(const struct state *state, const char *json, struct problem *problem)
{
	int error = write_new(state->directory, "state.json", json);

	if (error)
		return problem_set(problem, -error, "cannot describe the session in %s: %s",
				   STATE_DIRECTORY, strerror(-error));
	return 0;
}

void state_end(int directory)
{
	/* one that cannot be made counts a moment longer */
	int ended = openat(directory, "ended", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	descriptor_close(&ended);
	unlinkat(directory, "state.json", 0);
}

int state_hold(int user_directory, const char *id)
{
	/* never closed: the lock goes with the process */
	int directory = make_session(user_directory, id);

	return directory < 0 ? directory : write_new(directory, "held", "");
}

int state_listen(const struct state *state, struct problem *problem)
{
	_cleanup_close_ int listener =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	/* the directory's path may be longer than an address can hold: go by its descriptor */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/keeper",
		 state->directory);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(state->directory, "keeper", 0666, 0) < 0 || listen(listener, 8) < 0)
		return problem_set(problem, errno, "cannot make the keeper's socket in %s: %s",
				   STATE_DIRECTORY, strerror(errno));
	return descriptor_take(&listener);
}

void state_close(struct state *state)
{
	descriptor_close(&state->directory);
	descriptor_close(&state->user);
	descriptor_close(&state->root);
	state_unlock(state);
}
