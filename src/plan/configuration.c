// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "plan/configuration.h"
#include "plan/mountinfo.h"
#include "plan/nodes.h"

#define FILE_SIZE_MAX (1 << 20)

/* What a file is parsed with. */
typedef int file_parser(FILE *stream, const char *name, struct configuration *configuration,
			struct problem *problem);

static int parse_usr_mounts(FILE *stream, const char *name, struct configuration *configuration,
			    struct problem *problem)
{
	return configuration_parse_mounts(stream, name, &configuration->usr_mounts, problem);
}

static int parse_sys_mounts(FILE *stream, const char *name, struct configuration *configuration,
			    struct problem *problem)
{
	return configuration_parse_mounts(stream, name, &configuration->sys_mounts, problem);
}

static const struct {
	const char *name;
	file_parser *parse;
} files[] = {
	{ "privexec.conf", configuration_parse_main },
	{ "usr_mounts.conf", parse_usr_mounts },
	{ "sys_mounts.conf", parse_sys_mounts },
};

/* Names under which the original's text also knows the lists. */
static const struct {
	const char *wrong, *right;
} misnomers[] = {
	{ "usr_mount.conf", "usr_mounts.conf" },
	{ "sys_mount.conf", "sys_mounts.conf" },
};

void configuration_defaults(struct configuration *configuration)
{
	*configuration = (struct configuration){
		.store = STORE_AUTO,
		.network = NETWORK_AUTO,
		.end = END_COMMAND,
		.suspend = SUSPEND_KEEP,
		.relax = RELAX_X11 | RELAX_WAYLAND | RELAX_SOUND,
		.directory = strdup("/var/lib/privexec"),
		.sessions_per_user = 32,
		.users = strdup("*"),
		.usr_mounts = { .automatic = true, .file = "usr_mounts.conf" },
		.sys_mounts = { .automatic = true, .file = "sys_mounts.conf" },
	};
}

/* Refuses what others than root could have written. @path is for the message. */
static int check_owner(const struct stat *status, const char *path, struct problem *problem)
{
	if (status->st_uid != 0)
		return problem_set(
			problem, EPERM,
			"%s belongs to user %u, who could change it; run: chown root '%s'", path,
			status->st_uid, path);
	if (status->st_mode & (S_IWGRP | S_IWOTH))
		return problem_set(problem, EPERM,
				   "%s can be written by others than root; run: chmod go-w '%s'",
				   path, path);
	return 0;
}

static int refuse_open(int error, const char *path, struct problem *problem)
{
	if (error == ELOOP)
		return problem_set(
			problem, error,
			"%s is a symbolic link, which is not followed; put the file itself "
			"in its place",
			path);
	if (error == ENXIO)
		return problem_set(problem, error, "%s is no regular file; put one in its place",
				   path);
	return problem_set(problem, error, "cannot open %s: %s", path, strerror(error));
}

/* Opens @name in the directory @descriptor. Returns 1 with a stream, 0 if there is no such file. */
static int open_file(int descriptor, const char *name, const char *path, FILE **ret_stream,
		     struct problem *problem)
{
	/* O_NONBLOCK: a FIFO must not hold us */
	_cleanup_close_ int file =
		openat(descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	int r;

	if (file < 0 && errno == ENOENT)
		return 0;
	if (file < 0)
		return refuse_open(errno, path, problem);
	if (fstat(file, &status) < 0)
		return problem_set(problem, errno, "cannot look at %s: %m", path);
	if (!S_ISREG(status.st_mode))
		return problem_set(problem, EINVAL, "%s is not a regular file; replace it by one",
				   path);
	r = check_owner(&status, path, problem);
	if (r < 0)
		return r;
	if (status.st_size > FILE_SIZE_MAX)
		return problem_set(problem, EFBIG, "%s is larger than %d bytes; shorten it", path,
				   FILE_SIZE_MAX);
	*ret_stream = fdopen(file, "r");
	if (!*ret_stream)
		return problem_set(problem, errno, "cannot read %s: %m", path);
	descriptor_take(&file);
	return 1;
}

static int load_file(int descriptor, const char *directory, size_t index,
		     struct configuration *configuration, struct problem *problem)
{
	_cleanup_file_ FILE *stream = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "%s/%s", directory, files[index].name) < 0) {
		path = NULL;
		return problem_set(problem, ENOMEM, "no memory to read the configuration");
	}
	r = open_file(descriptor, files[index].name, path, &stream, problem);
	return r > 0 ? files[index].parse(stream, path, configuration, problem) : r;
}

/* A mount point in both lists has no meaning, but for the six that are never either. */
static int check_lists(const struct configuration *configuration, struct problem *problem)
{
	const struct mount_list *usr = &configuration->usr_mounts;
	const struct mount_list *sys = &configuration->sys_mounts;

	for (size_t i = 0; i < sys->count; i++) {
		const struct mount_line *line = &sys->lines[i];
		const struct mount_line *other = mount_list_find(usr, line->path);

		if (other && fresh_of_path(line->path) == FRESH_NOT)
			return problem_set(
				problem, EINVAL,
				"%s:%u: %.150s is in %s:%u too; a mount is either private or "
				"passed through: remove one",
				sys->file, line->line, line->path, usr->file, other->line);
	}
	return 0;
}

static int load_files(int descriptor, const char *directory, struct configuration *configuration,
		      struct problem *problem)
{
	struct stat status;
	int r;

	if (fstat(descriptor, &status) < 0)
		return problem_set(problem, errno, "cannot look at %s: %m", directory);
	r = check_owner(&status, directory, problem);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(misnomers) / sizeof(*misnomers); i++)
		if (fstatat(descriptor, misnomers[i].wrong, &status, AT_SYMLINK_NOFOLLOW) == 0)
			return problem_set(problem, EINVAL,
					   "%s/%s is not read under this name; rename it to %s",
					   directory, misnomers[i].wrong, misnomers[i].right);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		r = load_file(descriptor, directory, i, configuration, problem);
		if (r < 0)
			return r;
	}
	return check_lists(configuration, problem);
}

int configuration_load(const char *directory, struct configuration *configuration,
		       struct problem *problem)
{
	_cleanup_close_ int descriptor = -1;

	configuration_defaults(configuration);
	if (!configuration->directory || !configuration->users)
		return problem_set(problem, ENOMEM, "no memory to read the configuration");
	descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (descriptor < 0 && errno == ENOENT)
		return 0;
	if (descriptor < 0 && errno == ENOTDIR)
		return problem_set(problem, ENOTDIR,
				   "%s is not a directory, or a symbolic link to one; put the "
				   "directory itself in its place",
				   directory);
	if (descriptor < 0)
		return refuse_open(errno, directory, problem);
	return load_files(descriptor, directory, configuration, problem);
}

static void list_free(struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->lines[i].path);
	free(list->lines);
	*list = (struct mount_list){ 0 };
}

void configuration_free(struct configuration *configuration)
{
	free(configuration->directory);
	free(configuration->users);
	list_free(&configuration->usr_mounts);
	list_free(&configuration->sys_mounts);
	*configuration = (struct configuration){ 0 };
}
