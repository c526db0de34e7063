// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "privexec/options.h"

#define TRY_HELP "'privexec --help' lists the options"

enum option_code {
	OPTION_STORE = 256,
	OPTION_SIZE,
	OPTION_NETWORK,
	OPTION_NAME,
	OPTION_RELAX,
	OPTION_REQUIRE,
	OPTION_END,
	OPTION_KEEP,
	OPTION_REVIEW,
	OPTION_REPORT,
	OPTION_STATUS_DESCRIPTOR,
	OPTION_DRY_RUN,
	OPTION_JSON,
	OPTION_DEBUG,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "store", required_argument, NULL, OPTION_STORE },
	{ "size", required_argument, NULL, OPTION_SIZE },
	{ "net", required_argument, NULL, OPTION_NETWORK },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "relax", required_argument, NULL, OPTION_RELAX },
	{ "require", required_argument, NULL, OPTION_REQUIRE },
	{ "end", required_argument, NULL, OPTION_END },
	{ "keep", required_argument, NULL, OPTION_KEEP },
	{ "review", no_argument, NULL, OPTION_REVIEW },
	{ "report", optional_argument, NULL, OPTION_REPORT },
	{ "status-fd", required_argument, NULL, OPTION_STATUS_DESCRIPTOR },
	{ "dry-run", no_argument, NULL, OPTION_DRY_RUN },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "debug", no_argument, NULL, OPTION_DEBUG },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

void options_print_help(FILE *stream)
{
	fputs("Usage: privexec [OPTION...] [--] [COMMAND [ARG...]]\n"
	      "Run COMMAND (by default your shell) so that nothing it writes outlives it.\n"
	      "\n"
	      "  --store=auto|dm-crypt|fscrypt|memory\n"
	      "                       where what is written lies meanwhile\n"
	      "  --size=SIZE          how much that may be: bytes, or with K, M, G, T\n"
	      "  --net=auto|private|host|none\n"
	      "                       the network of the session: its own, this machine's, or\n"
	      "                       none; auto is private where that can be had, else host\n"
	      "  --relax=none         which parts of the desktop the session may use\n"
	      "  --require=LIST       refuse to start without these: no-swap,closed,\n"
	      "                       private-network,kernel-key,metadata-hidden,reservable,\n"
	      "                       no-hibernation,ram-scrub\n"
	      "  --end=command|last   end the session with COMMAND, or with its last process\n"
	      "  --name=NAME          a name for the session\n"
	      "  --report[=FILE]      at the end, say what was discarded\n"
	      "  --status-fd=N        write JSON lines about the session to descriptor N\n"
	      "  --dry-run            show what would be done, start nothing\n"
	      "  --json               with --dry-run or --report: JSON, not words\n"
	      "  -q                   no first line\n"
	      "  -v                   say more at the start and the end\n"
	      "  --debug              say the steps of set-up, and which fallbacks were taken\n"
	      "  -V, --version        print the version\n"
	      "  -h, --help           print this\n"
	      "\n"
	      "Known by name, and refused in this version:\n"
	      "--relax=x11,wayland,sound,mitshm,gpu, and to --require encrypted-swap,labels,\n"
	      "no-accounting.\n"
	      "\n"
	      "The exit status is COMMAND's; 125 if privexec fails, 126 if COMMAND cannot be\n"
	      "executed, 127 if it is not found. See privexec(1).\n",
	      stream);
}

/* Looks @value up in @table and says which words there are when it is none of them. */
static int take_choice(const char *option, const struct choice *table, const char *value,
		       unsigned *ret_choice, struct problem *problem)
{
	char words[256];

	if (choice_parse(table, value, ret_choice))
		return 0;
	choice_list_words(table, words, sizeof(words));
	return problem_set(problem, EINVAL, "--%s has no choice '%s': it takes %s", option, value,
			   words);
}

static int take_list(const char *option, const struct choice *table, const char *value,
		     unsigned *ret_mask, struct problem *problem)
{
	char words[256], unknown[64] = "";

	if (choice_parse_list(table, value, ret_mask, unknown, sizeof(unknown)))
		return 0;
	choice_list_words(table, words, sizeof(words));
	return problem_set(problem, EINVAL, "--%s has no word '%s': it takes none, or a list of %s",
			   option, unknown, words);
}

static int take_name(const char *value, struct request *request, struct problem *problem)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length = strlen(value);

	if (length == 0 || length > REQUEST_NAME_MAX || strspn(value, letters) != length ||
	    strchr("._-", value[0]))
		return problem_set(problem, EINVAL,
				   "--name cannot be '%.40s': it takes 1 to %d letters, digits, "
				   "'.', '_' or '-', a letter or digit first",
				   value, REQUEST_NAME_MAX);
	memcpy(request->name, value, length + 1);
	return 0;
}

static int take_status_descriptor(const char *value, int *ret_descriptor, struct problem *problem)
{
	char *end;
	long number;
	int flags;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno || !*value || *end || number <= 2 || number > 1 << 20)
		return problem_set(problem, EINVAL,
				   "--status-fd cannot be '%s': it takes the number of an open "
				   "descriptor above 2",
				   value);
	flags = fcntl((int)number, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH))
		return problem_set(problem, EINVAL,
				   "--status-fd: descriptor %ld is not open for writing: open it "
				   "in the shell, as in 'privexec --status-fd=%ld ... %ld>FILE'",
				   number, number, number);
	*ret_descriptor = (int)number;
	return 0;
}

static int refuse_unsupported(const char *option, struct problem *problem)
{
	return problem_set(
		problem, EINVAL,
		"--%s is not in this version: save files to a mount that sys_mounts.conf "
		"passes through, or through standard output",
		option);
}

/* The options with a value that goes into the request. */
static int take_request_option(enum option_code code, const char *value, struct request *request,
			       struct problem *problem)
{
	unsigned chosen;
	int r;

	switch (code) {
	case OPTION_STORE:
		r = take_choice("store", choices_store, value, &chosen, problem);
		if (r == 0)
			request->store = chosen;
		return r;
	case OPTION_NETWORK:
		r = take_choice("net", choices_network, value, &chosen, problem);
		if (r == 0)
			request->network = chosen;
		return r;
	case OPTION_END:
		r = take_choice("end", choices_end, value, &chosen, problem);
		if (r == 0)
			request->end = chosen;
		return r;
	case OPTION_RELAX:
		request->relax_said = true;
		return take_list("relax", choices_relax, value, &request->relax, problem);
	case OPTION_REQUIRE:
		r = take_list("require", choices_require, value, &chosen, problem);
		if (r == 0)
			request->require |= chosen; /* no requirement is dropped silently */
		return r;
	case OPTION_NAME:
		return take_name(value, request, problem);
	default: /* OPTION_SIZE */
		if (choice_parse_size(value, &request->size))
			return 0;
		return problem_set(problem, EINVAL,
				   "--size cannot be '%s': it takes bytes, or a number with K, M, "
				   "G or T, as in --size=2G",
				   value);
	}
}

/* Options about the front itself. */
static int take_front_option(int code, const char *value, struct options *options,
			     struct problem *problem)
{
	switch (code) {
	case 'q':
		options->quiet = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case 'h':
	case OPTION_HELP:
		options->help = true;
		return 0;
	case 'V':
	case OPTION_VERSION:
		options->version = true;
		return 0;
	case OPTION_DEBUG:
		options->request.debug = true;
		return 0;
	case OPTION_DRY_RUN:
		options->request.dry_run = true;
		return 0;
	case OPTION_JSON:
		options->request.json = true;
		return 0;
	case OPTION_REPORT:
		options->report = true;
		options->report_file = value;
		if (value && !*value)
			return problem_set(
				problem, EINVAL,
				"--report= names no file: leave out the '=' for standard "
				"error");
		return 0;
	case OPTION_STATUS_DESCRIPTOR:
		return take_status_descriptor(value, &options->status_descriptor, problem);
	case OPTION_KEEP:
		return refuse_unsupported("keep", problem);
	default: /* OPTION_REVIEW */
		return refuse_unsupported("review", problem);
	}
}

/* What getopt could not take. */
static int refuse_option(int code, char **argv, struct problem *problem)
{
	const struct option *known = long_options;
	const char *word = argv[optind - 1];

	if (optopt > 0 && optopt < 256)
		return problem_set(problem, EINVAL, "there is no option '-%c': " TRY_HELP, optopt);
	while (known->name && known->val != optopt)
		known++;
	if (code == ':')
		return problem_set(problem, EINVAL, "--%s needs a value: " TRY_HELP, known->name);
	if (known->name)
		return problem_set(problem, EINVAL, "--%s takes no value: " TRY_HELP, known->name);
	return problem_set(problem, EINVAL, "there is no option '%.100s': " TRY_HELP, word);
}

/* getopt takes what begins a single option's name for it. A later version may have two such. */
static int refuse_abbreviation(const char *word, int code, struct problem *problem)
{
	const struct option *known = long_options;
	size_t length;

	while (known->name && known->val != code)
		known++;
	if (!known->name || strncmp(word, "--", 2) != 0)
		return 0;
	length = strcspn(word + 2, "=");
	if (length == strlen(known->name))
		return 0;
	return problem_set(problem, EINVAL,
			   "there is no option '%.*s', and none is abbreviated: "
			   "did you mean --%s?",
			   (int)(length < 100 ? length + 2 : 102), word, known->name);
}

static int refuse_contradictions(const struct options *options, struct problem *problem)
{
	const struct request *request = &options->request;

	if (options->quiet && options->verbose)
		return problem_set(problem, EINVAL,
				   "-q and -v contradict each other: leave one out");
	if (request->json && !request->dry_run && !options->report)
		return problem_set(problem, EINVAL,
				   "--json says how --dry-run or --report is printed: add one of "
				   "them");
	if (request->dry_run && options->report)
		return problem_set(problem, EINVAL,
				   "--dry-run starts nothing that --report could report: leave one "
				   "out");
	if (request->dry_run && options->status_descriptor >= 0)
		return problem_set(problem, EINVAL,
				   "--dry-run starts nothing that --status-fd could tell of: leave "
				   "one out");
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct problem *problem)
{
	struct options options = { .status_descriptor = -1 };
	int code, r, at = 1;

	opterr = 0;
	optind = 0; /* a fresh start, also when a test parses a second line */
	while ((code = getopt_long(argc, argv, "+:qvhV", long_options, NULL)) >= 0) {
		if (code == '?' || code == ':')
			return refuse_option(code, argv, problem);
		r = refuse_abbreviation(argv[at], code, problem);
		if (r < 0)
			return r;
		at = optind;
		if (code >= OPTION_STORE && code <= OPTION_END)
			r = take_request_option((enum option_code)code, optarg, &options.request,
						problem);
		else
			r = take_front_option(code, optarg, &options, problem);
		if (r < 0)
			return r;
		if (options.help || options.version)
			break;
	}
	if (!options.help && !options.version) {
		r = refuse_contradictions(&options, problem);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		options.command = argv + optind;
	*ret_options = options;
	return 0;
}
