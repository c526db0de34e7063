// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "plan/configuration.h"

static const char *examples; /* the directory of the shipped files */
static char directory[] = "/tmp/test-configuration-XXXXXX";

/* The path of @name in the test's directory; the next call takes its place. */
static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *stream = fopen(path_of(name), "w");

	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(chmod(path_of(name), 0644), 0);
}

static int make_directory(void **state)
{
	(void)state;
	memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
	return mkdtemp(directory) && chmod(directory, 0755) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = { "privexec.conf",	   "usr_mounts.conf",
					     "sys_mounts.conf",	   "usr_mount.conf",
					     "sys_mount.conf",	   "elsewhere",
					     "elsewhere-directory" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		remove(path_of(names[i]));
	return rmdir(directory);
}

static void assert_loads(struct configuration *configuration)
{
	struct problem problem = { 0 };

	if (configuration_load(directory, configuration, &problem) < 0)
		fail_msg("%s", problem.text);
}

static void assert_load_refused(const char *where, const char *words)
{
	struct configuration configuration;
	struct problem problem = { 0 };

	assert_true(configuration_load(where, &configuration, &problem) < 0);
	if (!strstr(problem.text, words))
		fail_msg("'%s' is not in: %s", words, problem.text);
	configuration_free(&configuration);
}

/* Only files of root's are read, so only root can test that they are. */
static void only_as_root(void)
{
	if (geteuid() != 0)
		skip();
}

static int parse_main(const char *text, size_t size, struct configuration *configuration,
		      struct problem *problem)
{
	_cleanup_file_ FILE *stream = fmemopen((char *)text, size, "r");

	assert_non_null(stream);
	configuration_defaults(configuration);
	return configuration_parse_main(stream, "main", configuration, problem);
}

static void assert_main_refused_bytes(const char *text, size_t size, const char *words)
{
	struct configuration configuration;
	struct problem problem = { 0 };

	assert_int_equal(parse_main(text, size, &configuration, &problem), -EINVAL);
	if (!strstr(problem.text, words))
		fail_msg("'%s' is not in: %s", words, problem.text);
	configuration_free(&configuration);
}

static void assert_main_refused(const char *text, const char *words)
{
	assert_main_refused_bytes(text, strlen(text), words);
}

static void assert_main(const char *text, struct configuration *configuration)
{
	struct problem problem = { 0 };

	if (parse_main(text, strlen(text), configuration, &problem) < 0)
		fail_msg("%s", problem.text);
}

/* Parses a list of mount points that is given as a literal; the caller frees the configuration. */
static int parse_list(const char *text, size_t size, struct configuration *configuration,
		      struct problem *problem)
{
	_cleanup_file_ FILE *stream = fmemopen((char *)text, size, "r");

	assert_non_null(stream);
	configuration_defaults(configuration);
	return configuration_parse_mounts(stream, "list", &configuration->usr_mounts, problem);
}

static void assert_list_refused_bytes(const char *text, size_t size, const char *words)
{
	struct configuration configuration;
	struct problem problem = { 0 };

	assert_true(parse_list(text, size, &configuration, &problem) < 0);
	if (!strstr(problem.text, words))
		fail_msg("'%s' is not in: %s", words, problem.text);
	configuration_free(&configuration);
}

static void assert_list_refused(const char *text, const char *words)
{
	assert_list_refused_bytes(text, strlen(text), words);
}

static void assert_defaults(const struct configuration *configuration)
{
	assert_int_equal(configuration->store, STORE_AUTO);
	assert_int_equal(configuration->size, 0);
	assert_int_equal(configuration->network, NETWORK_AUTO);
	assert_int_equal(configuration->end, END_COMMAND);
	assert_int_equal(configuration->suspend, SUSPEND_KEEP);
	assert_int_equal(configuration->relax, RELAX_X11 | RELAX_WAYLAND | RELAX_SOUND);
	assert_int_equal(configuration->require, 0);
	assert_false(configuration->debug);
	assert_string_equal(configuration->directory, "/var/lib/privexec");
	assert_int_equal(configuration->sessions_per_user, 32);
	assert_int_equal(configuration->size_max, 0);
	assert_string_equal(configuration->users, "*");
	assert_true(configuration->usr_mounts.automatic);
	assert_true(configuration->sys_mounts.automatic);
	assert_int_equal(configuration->usr_mounts.count, 0);
	assert_int_equal(configuration->sys_mounts.count, 0);
}

/* --- privexec.conf --- */

static void every_key_of_privexec_conf_is_read(void **state)
{
	struct configuration configuration;

	(void)state;
	assert_main("# a comment\n"
		    "; another\n"
		    "[session]\n"
		    "store = memory\n"
		    "  size=8G ; behind a value\n"
		    "net: none\n"
		    "end = last\r\n"
		    "relax = mitshm,gpu\n"
		    "require = no-swap, \tclosed\n"
		    "suspend = end\n"
		    "debug = yes\n"
		    "\n"
		    "[store] # where\n"
		    "directory = /srv/private store\n"
		    "[limits]\n"
		    "sessions_per_user = 4\n"
		    "size_max = 16G\n"
		    "users = alice, @staff bob",
		    &configuration);
	assert_int_equal(configuration.store, STORE_MEMORY);
	assert_true(configuration.size == 8ULL << 30);
	assert_int_equal(configuration.network, NETWORK_NONE);
	assert_int_equal(configuration.end, END_LAST);
	assert_int_equal(configuration.relax, RELAX_MITSHM | RELAX_GPU);
	assert_int_equal(configuration.require, REQUIRE_NO_SWAP | REQUIRE_CLOSED);
	assert_int_equal(configuration.suspend, SUSPEND_END);
	assert_true(configuration.debug);
	assert_string_equal(configuration.directory, "/srv/private store");
	assert_int_equal(configuration.sessions_per_user, 4);
	assert_true(configuration.size_max == 16ULL << 30);
	assert_string_equal(configuration.users, "alice, @staff bob");
	configuration_free(&configuration);
}

static void an_empty_file_and_empty_sections_are_the_defaults(void **state)
{
	struct configuration configuration;

	(void)state;
	assert_main("\n", &configuration);
	assert_defaults(&configuration);
	configuration_free(&configuration);
	assert_main("[session]\n[store]\n[limits]\n[session]\n", &configuration);
	assert_defaults(&configuration);
	configuration_free(&configuration);
}

static void the_originals_options_add_to_relax_and_remove_from_it(void **state)
{
	struct configuration configuration;

	(void)state;
	assert_main("[session]\nrelax_x = no\nrelax_mitshm = yes\n", &configuration);
	assert_int_equal(configuration.relax, RELAX_WAYLAND | RELAX_SOUND | RELAX_MITSHM);
	configuration_free(&configuration);
	/* wherever they stand */
	assert_main("[session]\nrelax_x = no\nrelax = x11,gpu\n", &configuration);
	assert_int_equal(configuration.relax, RELAX_GPU);
	configuration_free(&configuration);
	assert_main("[session]\nrelax = none\nrelax_x = yes\n", &configuration);
	assert_int_equal(configuration.relax, RELAX_X11);
	configuration_free(&configuration);
}

static void errors_of_privexec_conf_name_the_line_and_the_cure(void **state)
{
	(void)state;
	assert_main_refused("[session]\n\nstoer = memory\n",
			    "main:3: there is no key 'stoer' in section [session]");
	assert_main_refused("store = memory\n", "main:1: there is no key 'store' in section []");
	assert_main_refused("[session]\ndirectory = /x\n", "main:2: there is no key 'directory'");
	assert_main_refused("[sessions]\n", "main:1: there is no section [sessions]");
	assert_main_refused("[session]\n[other]\n", "main:2: there is no section [other]");
	assert_main_refused("[session] store = memory\n", "main:1: a section is written");
	assert_main_refused("[session\n", "main:1: a section is written");
	assert_main_refused("[session]\nstore\n", "main:2: this is neither");
	assert_main_refused("[session]\nstore = disk\n",
			    "main:2: 'disk' is no value for 'store'; it takes auto, dm-crypt, "
			    "fscrypt, memory");
	assert_main_refused("[session]\nrelax = nosuch\n",
			    "main:2: 'nosuch' is no value for 'relax'; it takes none, or a list of "
			    "x11, wayland");
	assert_main_refused("[session]\nstore = memory\nstore = memory\n",
			    "main:3: 'store' is there twice");
	assert_main_refused("[session]\nend = last\n[session]\nend = last\n",
			    "main:4: 'end' is there");
	assert_main_refused("\xef\xbb\xbf[session]\nstore = memory\n", "main:1:");
	/* a line that begins with a blank is no continuation */
	assert_main_refused("[session]\nstore =\n  memory\n", "main:2: '' is no value");
}

static void bad_values_of_privexec_conf_are_refused(void **state)
{
	static const char *const lines[] = {
		"[session]\nsize = lots\n",
		"[session]\nsize = 0\n",
		"[session]\nsize =\n",
		"[session]\nnet = internet\n",
		"[session]\nend = never\n",
		"[session]\nrelax = x11,\n",
		"[session]\nrelax = everything\n",
		"[session]\nrequire = secrecy\n",
		"[session]\nsuspend = yes\n",
		"[session]\ndebug = true\n",
		"[session]\nrelax_x = 1\n",
		"[session]\nrelax_mitshm = Yes\n",
		"[store]\ndirectory = var/lib\n",
		"[store]\ndirectory = /\n",
		"[store]\ndirectory = /a/../b\n",
		"[store]\ndirectory = /a/\n",
		"[store]\ndirectory =\n",
		"[limits]\nsessions_per_user = 0\n",
		"[limits]\nsessions_per_user = 10001\n",
		"[limits]\nsessions_per_user = 4294967297\n",
		"[limits]\nsessions_per_user = 3x\n",
		"[limits]\nsessions_per_user = -3\n",
		"[limits]\nsize_max = 5 GiB\n",
		"[limits]\nusers =\n",
		"[limits]\nusers = alice,*\n",
		"[limits]\nusers = **\n",
		"[limits]\nusers = , @\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_main_refused(lines[i], "main:2: ");
}

static void long_lines_and_nul_bytes_are_refused(void **state)
{
	static char text[8192];
	struct configuration configuration;

	(void)state;
	assert_main_refused_bytes("[session]\nend = la\0st\n", 20, "main:2: there is a NUL byte");
	assert_list_refused_bytes("/a\n/b\0c\n", 8, "list:2: there is a NUL byte");
	snprintf(text, sizeof(text), "[limits]\nusers = %04500d\n", 1);
	assert_main_refused(text, "main:2: this line is longer than");
	snprintf(text, sizeof(text), "/%04600d\n", 1);
	assert_list_refused(text, "list:1: this line is longer than");
	/* what inih would cut at 200 bytes is whole */
	snprintf(text, sizeof(text), "[limits]\nusers = %03000d\n", 1);
	assert_main(text, &configuration);
	assert_int_equal(strlen(configuration.users), 3000);
	configuration_free(&configuration);
}

/* --- the lists --- */

static void a_list_has_paths_in_mount_order_and_perhaps_auto(void **state)
{
	static const char text[] = "# mount points\n"
				   "\n"
				   "/\n"
				   "  /home\t\n"
				   "/home/alice # with a comment\n"
				   "/srv/with blank\n"
				   "/srv/with#sign\n"
				   "auto\r\n"
				   "/tmp";
	static const char *const paths[] = {
		"/", "/home", "/home/alice", "/srv/with blank", "/srv/with#sign", "/tmp"
	};
	static const unsigned numbers[] = { 3, 4, 5, 6, 7, 9 };
	struct configuration configuration;
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(parse_list(text, sizeof(text) - 1, &configuration, &problem), 0);
	assert_true(configuration.usr_mounts.automatic);
	assert_int_equal(configuration.usr_mounts.count, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_string_equal(configuration.usr_mounts.lines[i].path, paths[i]);
		assert_int_equal(configuration.usr_mounts.lines[i].line, numbers[i]);
	}
	configuration_free(&configuration);
}

static void a_list_without_auto_is_not_automatic(void **state)
{
	struct configuration configuration;
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(parse_list("/\n", 2, &configuration, &problem), 0);
	assert_false(configuration.usr_mounts.automatic);
	configuration_free(&configuration);
	assert_int_equal(parse_list("#\n", 2, &configuration, &problem), 0);
	assert_false(configuration.usr_mounts.automatic);
	configuration_free(&configuration);
}

static void errors_of_a_list_name_the_line_and_the_cure(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_list_refused("/home/alice\n/srv\n/home\n",
			    "list:3: unordered: /home comes after /home/alice (line 1)");
	assert_list_refused("/home\n/\n", "list:2: unordered: / comes after /home");
	assert_list_refused("/home\n\n/home\n", "list:3: /home is listed before, in line 1");
	assert_list_refused("auto\nauto\n", "list:2: 'auto' is there twice");
	assert_list_refused("home\n", "list:1: 'home' is neither 'auto' nor a path");
	assert_list_refused("automatic\n", "list:1: ");
	assert_list_refused("/home/\n", "list:1: write /home/ without");
	assert_list_refused("//home\n", "list:1: write //home without");
	assert_list_refused("/home/../etc\n", "without");
	assert_list_refused("/home/.\n", "without");
	assert_list_refused("/./home\n", "without");
	assert_non_null(stream);
	for (int i = 0; i <= 1000; i++)
		fprintf(stream, "/%d\n", i);
	fclose(stream);
	assert_list_refused(text, "list:1001: more than 1000 mount points");
}

/* --- the directory --- */

static void missing_files_and_a_missing_directory_are_the_defaults(void **state)
{
	struct configuration configuration;
	struct problem problem = { 0 };

	(void)state;
	assert_int_equal(configuration_load("/nonexistent/privexec", &configuration, &problem), 0);
	assert_defaults(&configuration);
	configuration_free(&configuration);
	only_as_root();
	assert_loads(&configuration);
	assert_defaults(&configuration);
	configuration_free(&configuration);
}

static void all_three_files_are_read(void **state)
{
	struct configuration configuration;

	(void)state;
	only_as_root();
	write_file("privexec.conf", "[session]\nnet = none\n");
	write_file("usr_mounts.conf", "/home\n");
	write_file("sys_mounts.conf", "/proc\n/srv\n");
	assert_loads(&configuration);
	assert_int_equal(configuration.network, NETWORK_NONE);
	assert_string_equal(configuration.usr_mounts.lines[0].path, "/home");
	assert_string_equal(configuration.usr_mounts.file, "usr_mounts.conf");
	assert_string_equal(configuration.sys_mounts.lines[1].path, "/srv");
	assert_false(configuration.usr_mounts.automatic || configuration.sys_mounts.automatic);
	configuration_free(&configuration);
}

static void the_originals_example_is_read(void **state)
{
	struct configuration configuration;

	(void)state;
	only_as_root();
	write_file("usr_mounts.conf", "/\n/home\n");
	write_file("sys_mounts.conf", "/proc\n/sys\n/dev\n/dev/pts\n/dev/shm\n/dev/mqueue\n");
	assert_loads(&configuration);
	assert_int_equal(configuration.sys_mounts.count, 6);
	configuration_free(&configuration);
}

static void the_shipped_files_are_the_defaults(void **state)
{
	static const char *const names[] = { "privexec.conf", "usr_mounts.conf",
					     "sys_mounts.conf" };
	struct configuration configuration;
	static char text[16384];

	(void)state;
	only_as_root();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[4096];
		FILE *stream;

		snprintf(path, sizeof(path), "%s/%s", examples, names[i]);
		stream = fopen(path, "r");
		assert_non_null(stream);
		text[fread(text, 1, sizeof(text) - 1, stream)] = '\0';
		fclose(stream);
		write_file(names[i], text);
	}
	assert_loads(&configuration);
	assert_defaults(&configuration);
	configuration_free(&configuration);
}

static void errors_of_files_have_their_path(void **state)
{
	char words[300];

	(void)state;
	only_as_root();
	write_file("usr_mounts.conf", "/a\nb\n");
	snprintf(words, sizeof(words), "%s/usr_mounts.conf:2: ", directory);
	assert_load_refused(directory, words);
	write_file("usr_mounts.conf", "auto\n");
	write_file("privexec.conf", "[session]\nx = y\n");
	snprintf(words, sizeof(words), "%s/privexec.conf:2: ", directory);
	assert_load_refused(directory, words);
}

static void the_names_with_one_mount_are_refused(void **state)
{
	(void)state;
	only_as_root();
	write_file("usr_mount.conf", "");
	assert_load_refused(directory, "/usr_mount.conf is not read under this name; rename it to "
				       "usr_mounts.conf");
	remove(path_of("usr_mount.conf"));
	/* also as a dangling link */
	assert_int_equal(symlink("/nonexistent", path_of("sys_mount.conf")), 0);
	assert_load_refused(directory, "rename it to sys_mounts.conf");
}

static void a_mount_point_in_both_lists_is_refused(void **state)
{
	struct configuration configuration;

	(void)state;
	only_as_root();
	write_file("usr_mounts.conf", "/home\n/srv\n");
	write_file("sys_mounts.conf", "/proc\n/srv\n");
	assert_load_refused(directory, "sys_mounts.conf:2: /srv is in usr_mounts.conf:2 too");
	/* but for those that are never the host's */
	write_file("usr_mounts.conf", "/proc\n");
	assert_loads(&configuration);
	configuration_free(&configuration);
}

static void files_that_others_can_write_are_refused(void **state)
{
	static const mode_t modes[] = { 0664, 0646, 0666, 0620, 0602 };

	(void)state;
	only_as_root();
	write_file("sys_mounts.conf", "auto\n");
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		assert_int_equal(chmod(path_of("sys_mounts.conf"), modes[i]), 0);
		assert_load_refused(directory,
				    "can be written by others than root; run: chmod go-w");
	}
	assert_int_equal(chmod(path_of("sys_mounts.conf"), 0644), 0);
	assert_int_equal(chown(path_of("sys_mounts.conf"), 1000, 0), 0);
	assert_load_refused(directory,
			    "belongs to user 1000, who could change it; run: chown root");
}

static void a_directory_that_others_can_write_is_refused(void **state)
{
	(void)state;
	only_as_root();
	assert_int_equal(chmod(directory, 0775), 0);
	assert_load_refused(directory, "can be written by others than root");
	assert_int_equal(chmod(directory, 01777), 0);
	assert_load_refused(directory, "can be written by others than root");
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(chown(directory, 1000, 1000), 0);
	assert_load_refused(directory, "belongs to user 1000");
	assert_int_equal(chown(directory, 0, 0), 0);
}

static void links_are_not_followed(void **state)
{
	char link[256];

	(void)state;
	only_as_root();
	write_file("elsewhere", "auto\n");
	assert_int_equal(symlink("elsewhere", path_of("usr_mounts.conf")), 0);
	assert_load_refused(directory, "usr_mounts.conf is a symbolic link");
	remove(path_of("usr_mounts.conf"));
	snprintf(link, sizeof(link), "%s", path_of("elsewhere-directory"));
	assert_int_equal(symlink(directory, link), 0);
	assert_load_refused(link, "symbolic link");
}

static void what_is_no_regular_file_is_refused(void **state)
{
	(void)state;
	only_as_root();
	/* a FIFO without a writer would hold whoever opens it */
	assert_int_equal(mkfifo(path_of("privexec.conf"), 0644), 0);
	assert_load_refused(directory, "privexec.conf is not a regular file");
	remove(path_of("privexec.conf"));
	assert_int_equal(mkdir(path_of("privexec.conf"), 0755), 0);
	assert_load_refused(directory, "privexec.conf is not a regular file");
	assert_load_refused("/dev/null", "is not a directory");
}

static void a_file_has_its_bounds(void **state)
{
	(void)state;
	only_as_root();
	write_file("usr_mounts.conf", "");
	assert_int_equal(truncate(path_of("usr_mounts.conf"), (1 << 20) + 1), 0);
	assert_load_refused(directory, "usr_mounts.conf is larger than");
}

/* --- users --- */

static int allowed(const char *users, unsigned uid, const unsigned *groups, size_t count)
{
	struct configuration configuration = { .users = (char *)users };
	struct problem problem = { 0 };
	int r = configuration_user_allowed(&configuration, uid, groups, count, &problem);

	if (r < 0)
		fail_msg("%s", problem.text);
	return r;
}

static void refused_for(const char *said, const char *users, unsigned uid)
{
	struct configuration configuration = { .users = (char *)users };
	struct problem problem = { 0 };

	assert_int_equal(configuration_user_allowed(&configuration, uid, NULL, 0, &problem),
			 -EPERM);
	if (!strstr(problem.text, said))
		fail_msg("'%s' is not in: %s", said, problem.text);
}

static void users_are_allowed_by_name_and_by_group(void **state)
{
	const struct passwd *user = getpwnam("daemon");
	const struct group *group = getgrnam("mail");
	unsigned uid, groups[2] = { 4321 };

	(void)state;
	if (!user || !group)
		skip();
	uid = user->pw_uid;
	groups[1] = group->gr_gid;
	assert_int_equal(allowed("*", 4321, NULL, 0), 1);
	assert_int_equal(allowed("daemon", uid, NULL, 0), 1);
	assert_int_equal(allowed("nobody, daemon", uid, NULL, 0), 1);
	assert_int_equal(allowed("nobody\tdaemon,", uid, NULL, 0), 1);
	assert_int_equal(allowed("nobody", uid, groups, 2), 0);
	assert_int_equal(allowed("@mail", uid, groups, 2), 1);
	assert_int_equal(allowed("@mail", uid, groups, 1), 0);
	assert_int_equal(allowed("@daemon", uid, groups, 2), 0);
	assert_int_equal(allowed("mail", 4321, groups, 2), 0);
	/* names that nobody has any more shut nobody else out */
	assert_int_equal(allowed("no-such-user,@no-such-group,daemon", uid, NULL, 0), 1);
	/* but whoever is shut out is told of them */
	refused_for("'@no-such-group', which is no group", "no-such-user @no-such-group", uid);
	refused_for("'no-such-user', which is no user", "no-such-user nobody", uid);
	/* a number is not a name */
	refused_for("'4321', which is no user", "4321", 4321);
}

static void root_is_always_allowed(void **state)
{
	(void)state;
	assert_int_equal(allowed("nobody", 0, NULL, 0), 1);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_privexec_conf_is_read),
		cmocka_unit_test(an_empty_file_and_empty_sections_are_the_defaults),
		cmocka_unit_test(the_originals_options_add_to_relax_and_remove_from_it),
		cmocka_unit_test(errors_of_privexec_conf_name_the_line_and_the_cure),
		cmocka_unit_test(bad_values_of_privexec_conf_are_refused),
		cmocka_unit_test(long_lines_and_nul_bytes_are_refused),
		cmocka_unit_test(a_list_has_paths_in_mount_order_and_perhaps_auto),
		cmocka_unit_test(a_list_without_auto_is_not_automatic),
		cmocka_unit_test(errors_of_a_list_name_the_line_and_the_cure),
		in_directory(missing_files_and_a_missing_directory_are_the_defaults),
		in_directory(all_three_files_are_read),
		in_directory(the_originals_example_is_read),
		in_directory(the_shipped_files_are_the_defaults),
		in_directory(errors_of_files_have_their_path),
		in_directory(the_names_with_one_mount_are_refused),
		in_directory(a_mount_point_in_both_lists_is_refused),
		in_directory(files_that_others_can_write_are_refused),
		in_directory(a_directory_that_others_can_write_is_refused),
		in_directory(links_are_not_followed),
		in_directory(what_is_no_regular_file_is_refused),
		in_directory(a_file_has_its_bounds),
		cmocka_unit_test(users_are_allowed_by_name_and_by_group),
		cmocka_unit_test(root_is_always_allowed),
	};

	if (argc < 2)
		return 2;
	examples = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
