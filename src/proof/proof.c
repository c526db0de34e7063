// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/filesystem.h"
#include "base/places.h"
#include "proof/proof.h"
#include "proof/walk.h"

#define FINGERPRINT_MAX 4096

/* What changes whenever a package manager changes anything, of the common ones. */
static const char *const witnesses[] = {
	"/var/lib/dpkg/status",
	"/var/lib/dpkg/info",
	"/var/lib/rpm/rpmdb.sqlite",
	"/var/lib/rpm/Packages",
	"/usr/lib/sysimage/rpm/rpmdb.sqlite",
	"/var/lib/pacman/local",
	"/lib/apk/db/installed",
	"/etc/ld.so.cache",
};

static const struct mount_entry *mount_of(const char *path, const struct mount_table *mounts)
{
	const struct mount_entry *found = NULL;

	/* parents come first: the last one that matches is the deepest */
	for (size_t i = 0; i < mounts->count; i++)
		if (path_is_below(path, mounts->entries[i].target))
			found = &mounts->entries[i];
	return found;
}

static void print_witness(FILE *stream, const char *path)
{
	struct stat status;

	if (lstat(path, &status) < 0) {
		fprintf(stream, "absent %s\n", path);
		return;
	}
	fprintf(stream, "witness %s %ju:%ju %lld.%09ld %lld.%09ld\n", path,
		(uintmax_t)status.st_dev, (uintmax_t)status.st_ino,
		(long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
		(long long)status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

/*
 * Everything a proof of @path depends on, as text: a record holds if it is what this writes now.
 * The path is its first line. Returns 0 or a negative errno.
 */
static int fingerprint(const char *path, const struct mount_table *mounts,
		       char text[FINGERPRINT_MAX])
{
	const struct mount_entry *mount = mount_of(path, mounts);
	_cleanup_file_ FILE *stream = fmemopen(text, FINGERPRINT_MAX, "w");

	if (!stream || !mount)
		return stream ? -ENOENT : -errno;
	fprintf(stream, "%s\nproof 1\nmount %" PRIu64 " %s %s %s\n", path, mount->id, mount->root,
		mount->type, mount->options);
	print_witness(stream, path);
	for (size_t i = 0; i < sizeof(witnesses) / sizeof(*witnesses); i++)
		print_witness(stream, witnesses[i]);
	return fflush(stream) == 0 && ftell(stream) < FINGERPRINT_MAX - 1 ? 0 : -E2BIG;
}

/* A name for the record of @path; two paths of one name would only void each other's proofs. */
static void record_name(const char *path, char name[20])
{
	uint64_t hash = 14695981039346656037ULL; /* FNV-1a */

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * 1099511628211ULL;
	snprintf(name, 20, "%016" PRIx64, hash);
}

static int open_records(bool make)
{
	if (make) {
		mkdir(STATE_DIRECTORY, 0711);
		mkdir(STATE_DIRECTORY "/proofs", 0755);
	}
	return descriptor_open_trusted(AT_FDCWD, STATE_DIRECTORY "/proofs");
}

static int write_record(const char *path, const char *text)
{
	_cleanup_close_ int records = open_records(true);
	_cleanup_close_ int file = -1;
	char name[20];
	int error;

	if (records < 0)
		return records;
	record_name(path, name);
	unlinkat(records, "new", 0);
	file = openat(records, "new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	error = file < 0 ? -errno : descriptor_write_all(file, text, strlen(text));
	if (!error && renameat(records, "new", records, name) < 0)
		error = -errno;
	return error;
}

/* Whoever can rename a directory above the tree could put another in its place. */
static int check_ancestors(const char *path, struct problem *problem)
{
	_cleanup_free_ char *above = strdup(path);
	char *slash;

	while (above && (slash = strrchr(above, '/'))) {
		struct stat status;

		*slash = '\0';
		if (lstat(*above ? above : "/", &status) < 0 || status.st_uid != 0 ||
		    (status.st_mode & (S_IWGRP | S_IWOTH)))
			return problem_set(
				problem, EPERM,
				"%s, above the tree, can be changed by others than root, so "
				"the tree will be overlaid",
				*above ? above : "/");
	}
	return above ? 0 : problem_set(problem, ENOMEM, "no memory");
}

int proof_make(const char *path, const struct mount_table *mounts, struct problem *problem)
{
	char before[FINGERPRINT_MAX], after[FINGERPRINT_MAX];
	_cleanup_close_ int opened = filesystem_open_path(AT_FDCWD, path);
	_cleanup_close_ int directory = -1;
	int error = opened < 0 ? opened : fingerprint(path, mounts, before);

	if (!error) {
		directory = openat(opened, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		error = directory < 0 ? -errno : 0;
	}
	if (error)
		return problem_set(problem, -error,
				   "cannot prove %s: %s; name a directory by its "
				   "absolute path, without symbolic links",
				   path, strerror(-error));
	error = check_ancestors(path, problem);
	if (!error)
		error = walk_tree(directory, path, problem);
	if (error)
		return error;
	error = fingerprint(path, mounts, after);
	if (!error && strcmp(before, after) != 0)
		return problem_set(problem, EAGAIN, "%s changed while it was looked at; try again",
				   path);
	if (!error)
		error = write_record(path, after);
	if (error)
		return problem_set(problem, -error, "cannot record the proof of %s in %s: %s", path,
				   STATE_DIRECTORY "/proofs", strerror(-error));
	return 0;
}

/* The path of the record @name if it holds, to be freed by the caller; else NULL. */
static char *check_record(int records, const char *name, const struct mount_table *mounts)
{
	char recorded[FINGERPRINT_MAX], now[FINGERPRINT_MAX];
	char *path;

	if (descriptor_read_file(records, name, recorded, sizeof(recorded)) <= 0)
		return NULL;
	path = strndup(recorded, strcspn(recorded, "\n"));
	if (path && *path == '/' && fingerprint(path, mounts, now) == 0 &&
	    strcmp(recorded, now) == 0)
		return path;
	free(path);
	return NULL;
}

void proof_list(const struct mount_table *mounts, char *ret_paths[PROOFS_MAX + 1])
{
	int records = open_records(false);
	DIR *listing = records < 0 ? NULL : fdopendir(records);
	struct dirent *entry;
	size_t count = 0;

	memset(ret_paths, 0, (PROOFS_MAX + 1) * sizeof(*ret_paths));
	if (!listing) {
		descriptor_close(&records);
		return;
	}
	while (count < PROOFS_MAX && (entry = readdir(listing))) {
		if (entry->d_name[0] == '.')
			continue;
		ret_paths[count] = check_record(dirfd(listing), entry->d_name, mounts);
		count += ret_paths[count] != NULL;
	}
	closedir(listing);
}

void proof_list_free(char *paths[PROOFS_MAX + 1])
{
	for (size_t i = 0; i < PROOFS_MAX; i++)
		free(paths[i]);
}
