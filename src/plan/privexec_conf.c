// SPDX-License-Identifier: GPL-2.0-or-later
/* privexec.conf. */
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/configuration.h"
#include "plan/lines.h"
#include "plan/pathname.h"

#define BLANKS " \t\r\f\v"
#define SESSIONS_MAX 10000

/* What the lines of privexec.conf are read into. */
struct conf_file {
	struct line_reader reader;
	struct configuration *configuration;
	struct problem *problem;
	unsigned seen;			     /* bit n: the n-th of conf_keys was there */
	unsigned relax_added, relax_removed; /* by relax_x and relax_mitshm, wherever they stand */
	int error;			     /* negative errno of the first problem */
};

/*
 * A key. @parse returns false when @value is bad; @wanted says what would be good, @choices
 * lists it, or both do.
 */
struct conf_key {
	const char *section, *word;
	bool (*parse)(const char *value, struct conf_file *file);
	const char *wanted;
	const struct choice *choices;
};

static bool parse_yes(const char *value, bool *ret_yes)
{
	*ret_yes = strcmp(value, "yes") == 0;
	return *ret_yes || strcmp(value, "no") == 0;
}

static bool parse_store(const char *value, struct conf_file *file)
{
	unsigned choice;

	if (!choice_parse(choices_store, value, &choice))
		return false;
	file->configuration->store = choice;
	return true;
}

static bool parse_size(const char *value, struct conf_file *file)
{
	return choice_parse_size(value, &file->configuration->size);
}

static bool parse_network(const char *value, struct conf_file *file)
{
	unsigned choice;

	if (!choice_parse(choices_network, value, &choice))
		return false;
	file->configuration->network = choice;
	return true;
}

static bool parse_end(const char *value, struct conf_file *file)
{
	unsigned choice;

	if (!choice_parse(choices_end, value, &choice))
		return false;
	file->configuration->end = choice;
	return true;
}

static bool parse_suspend(const char *value, struct conf_file *file)
{
	unsigned choice;

	if (!choice_parse(choices_suspend, value, &choice))
		return false;
	file->configuration->suspend = choice;
	return true;
}

/* As on the command line, but that blanks may follow a comma. */
static bool parse_list(const struct choice *choices, const char *value, unsigned *ret_mask)
{
	_cleanup_free_ char *list = strdup(value);
	char *end = list;

	if (!list)
		return false;
	for (const char *at = value; *at; at++) {
		*end++ = *at;
		if (*at == ',')
			at += strspn(at + 1, BLANKS);
	}
	*end = '\0';
	return choice_parse_list(choices, list, ret_mask, NULL, 0);
}

static bool parse_relax(const char *value, struct conf_file *file)
{
	return parse_list(choices_relax, value, &file->configuration->relax);
}

static bool parse_relax_alias(const char *value, struct conf_file *file, unsigned bit)
{
	bool yes;

	if (!parse_yes(value, &yes))
		return false;
	*(yes ? &file->relax_added : &file->relax_removed) |= bit;
	return true;
}

static bool parse_relax_x(const char *value, struct conf_file *file)
{
	return parse_relax_alias(value, file, RELAX_X11);
}

static bool parse_relax_mitshm(const char *value, struct conf_file *file)
{
	return parse_relax_alias(value, file, RELAX_MITSHM);
}

static bool parse_require(const char *value, struct conf_file *file)
{
	return parse_list(choices_require, value, &file->configuration->require);
}

static bool parse_debug(const char *value, struct conf_file *file)
{
	return parse_yes(value, &file->configuration->debug);
}

/* Replaces *@text by a copy of @value. */
static bool replace_text(char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return false;
	free(*text);
	*text = copy;
	return true;
}

static bool parse_directory(const char *value, struct conf_file *file)
{
	return path_is_normal(value) && strcmp(value, "/") != 0 &&
	       replace_text(&file->configuration->directory, value);
}

static bool parse_sessions(const char *value, struct conf_file *file)
{
	unsigned long number;
	char *end;

	if (value[0] < '1' || value[0] > '9')
		return false;
	number = strtoul(value, &end, 10);
	if (*end || number > SESSIONS_MAX)
		return false;
	file->configuration->sessions_per_user = (unsigned)number;
	return true;
}

static bool parse_size_max(const char *value, struct conf_file *file)
{
	if (strcmp(value, "none") == 0) {
		file->configuration->size_max = 0;
		return true;
	}
	return choice_parse_size(value, &file->configuration->size_max);
}

static bool parse_users(const char *value, struct conf_file *file)
{
	/* "*" among names would be read as a name and then allow nobody */
	if (strchr(value, '*') && strcmp(value, "*") != 0)
		return false;
	return value[strspn(value, " \t,@")] && replace_text(&file->configuration->users, value);
}

static const struct conf_key conf_keys[] = {
	{ "session", "store", parse_store, NULL, choices_store },
	{ "session", "size", parse_size, "a size such as 512M or 8G", NULL },
	{ "session", "net", parse_network, NULL, choices_network },
	{ "session", "end", parse_end, NULL, choices_end },
	{ "session", "relax", parse_relax, "none, or a list of", choices_relax },
	{ "session", "require", parse_require, "none, or a list of", choices_require },
	{ "session", "suspend", parse_suspend, NULL, choices_suspend },
	{ "session", "relax_x", parse_relax_x, "yes or no", NULL },
	{ "session", "relax_mitshm", parse_relax_mitshm, "yes or no", NULL },
	{ "session", "debug", parse_debug, "yes or no", NULL },
	{ "store", "directory", parse_directory, "an absolute path, not /", NULL },
	{ "limits", "sessions_per_user", parse_sessions, "a number from 1 to 10000", NULL },
	{ "limits", "size_max", parse_size_max, "a size such as 8G, or none", NULL },
	{ "limits", "users", parse_users, "*, or names and @groups", NULL },
};

#define CONF_KEYS (sizeof(conf_keys) / sizeof(*conf_keys))

_Static_assert(CONF_KEYS <= 32, "the keys seen are bits of an unsigned");

static bool section_exists(const char *section, size_t length)
{
	for (size_t i = 0; i < CONF_KEYS; i++)
		if (strlen(conf_keys[i].section) == length &&
		    memcmp(conf_keys[i].section, section, length) == 0)
			return true;
	return false;
}

static int refuse_value(struct conf_file *file, const struct conf_key *key, const char *value)
{
	const char *wanted = key->wanted ? key->wanted : "";
	char words[200] = "";

	if (key->choices)
		choice_list_words(key->choices, words, sizeof(words));
	return problem_set(file->problem, EINVAL,
			   "%s:%u: '%.80s' is no value for '%s'; it takes %s%s%s",
			   file->reader.name, file->reader.line, value, key->word, wanted,
			   *wanted && *words ? " " : "", words);
}

/* Takes one KEY=VALUE of @section. Returns 0 or a negative errno. */
static int take_value(struct conf_file *file, const char *section, const char *word,
		      const char *value)
{
	size_t key;

	for (key = 0; key < CONF_KEYS; key++)
		if (strcmp(conf_keys[key].section, section) == 0 &&
		    strcmp(conf_keys[key].word, word) == 0)
			break;
	if (key == CONF_KEYS)
		return problem_set(file->problem, EINVAL,
				   "%s:%u: there is no key '%.40s' in section [%.40s]; see "
				   "privexec.conf(5)",
				   file->reader.name, file->reader.line, word, section);
	if (file->seen & 1u << key)
		return problem_set(file->problem, EINVAL, "%s:%u: '%s' is there twice; remove one",
				   file->reader.name, file->reader.line, word);
	file->seen |= 1u << key;
	if (!conf_keys[key].parse(value, file))
		return refuse_value(file, &conf_keys[key], value);
	return 0;
}

/* What inih calls for a value: returns 1, or 0 for an error. */
static int handle_value(void *data, const char *section, const char *word, const char *value)
{
	struct conf_file *file = data;

	/* inih stops after the first error, but only once it has read the line's successor */
	if (!file->error)
		file->error = take_value(file, section, word, value);
	return !file->error;
}

/*
 * A line "[section]". inih says nothing of a section without keys, cuts names that are long, and
 * does not look at what follows the bracket.
 */
static int check_section(struct conf_file *file, const char *line)
{
	const char *end = strchr(line, ']');
	const char *rest = end ? end + 1 + strspn(end + 1, BLANKS) : "";

	if (!end || (*rest && *rest != ';' && *rest != '#'))
		return problem_set(file->problem, EINVAL,
				   "%s:%u: a section is written [name], alone on its line",
				   file->reader.name, file->reader.line);
	if (!section_exists(line + 1, (size_t)(end - line - 1)))
		return problem_set(file->problem, EINVAL,
				   "%s:%u: there is no section %.60s; known are [session], [store] "
				   "and [limits]",
				   file->reader.name, file->reader.line, line);
	return 0;
}

/* What inih calls for a line. It gets no line that is too long, so that it never sees a part. */
static char *read_line(char *buffer, int size, void *data)
{
	struct conf_file *file = data;
	const char *text;
	int r;

	if (file->error || size < 2)
		return NULL;
	r = line_reader_next(&file->reader, buffer, (size_t)size, file->problem);
	if (r > 0) {
		text = buffer + strspn(buffer, BLANKS);
		r = *text == '[' ? check_section(file, text) : 0;
		if (r == 0)
			return buffer;
	}
	file->error = r;
	return NULL;
}

int configuration_parse_main(FILE *stream, const char *name, struct configuration *configuration,
			     struct problem *problem)
{
	struct conf_file file = {
		.reader = { stream, name, 0 },
		.configuration = configuration,
		.problem = problem,
	};
	int r;

	/* Debian's inih takes its settings from variables */
	ini_use_stack = false;
	ini_max_line = 4096;
	ini_initial_alloc = 4096;
	ini_allow_multiline = false;
	ini_allow_bom = false;
	ini_stop_on_first_error = true;
	r = ini_parse_stream(read_line, &file, handle_value, &file);
	if (file.error)
		return file.error;
	if (r == -2)
		return problem_set(problem, ENOMEM, "no memory to read %s", name);
	if (r != 0)
		return problem_set(problem, EINVAL,
				   "%s:%d: this is neither KEY = VALUE nor [section]", name, r);
	configuration->relax |= file.relax_added;
	configuration->relax &= ~file.relax_removed;
	return 0;
}
