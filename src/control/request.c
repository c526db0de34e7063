// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/request.h"

/*
 * One key of a request. @parse gets a value that is not empty and ends with a NUL; it returns false
 * when the value is malformed. Keys that must be there have @required set.
 */
struct request_key {
	const char *word;
	bool (*parse)(const char *value, struct request *request);
	bool required;
};

/* A number without sign or blanks, in @base (8, 10 or 16, lower case), at most @most. */
static bool parse_number(const char *text, unsigned base, uint64_t most, uint64_t *ret_number)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t number = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		const char *digit = memchr(digits, *text, base);
		uint64_t value;

		if (!digit)
			return false;
		value = (uint64_t)(digit - digits);
		if (value > most || number > (most - value) / base)
			return false;
		number = number * base + value;
	}
	*ret_number = number;
	return true;
}

static bool parse_flag(const char *value, bool *ret_flag)
{
	*ret_flag = true;
	return strcmp(value, "1") == 0;
}

static bool parse_version(const char *value, struct request *request)
{
	uint64_t version;

	(void)request;
	return parse_number(value, 10, REQUEST_VERSION, &version) && version == REQUEST_VERSION;
}

static bool parse_store(const char *value, struct request *request)
{
	unsigned choice;

	if (!choice_parse(choices_store, value, &choice))
		return false;
	request->store = choice;
	return true;
}

static bool parse_size(const char *value, struct request *request)
{
	return parse_number(value, 10, 1ULL << 60, &request->size) && request->size > 0;
}

static bool parse_network(const char *value, struct request *request)
{
	unsigned choice;

	if (!choice_parse(choices_network, value, &choice))
		return false;
	request->network = choice;
	return true;
}

static bool parse_end(const char *value, struct request *request)
{
	unsigned choice;

	if (!choice_parse(choices_end, value, &choice))
		return false;
	request->end = choice;
	return true;
}

static bool parse_require(const char *value, struct request *request)
{
	return choice_parse_list(choices_require, value, &request->require, NULL, 0);
}

static bool parse_relax(const char *value, struct request *request)
{
	request->relax_said = true;
	return choice_parse_list(choices_relax, value, &request->relax, NULL, 0);
}

static bool parse_dry_run(const char *value, struct request *request)
{
	return parse_flag(value, &request->dry_run);
}

static bool parse_json(const char *value, struct request *request)
{
	return parse_flag(value, &request->json);
}

static bool parse_debug(const char *value, struct request *request)
{
	return parse_flag(value, &request->debug);
}

static bool parse_name(const char *value, struct request *request)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t length = strlen(value);

	/* a first '.' or '-' would read as a path or an option wherever the name is used */
	if (length > REQUEST_NAME_MAX || !strchr(letters, value[0]))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!strchr(letters, value[i]) && !strchr("._-", value[i]))
			return false;
	memcpy(request->name, value, length + 1);
	return true;
}

static const char stream_letters[] = {
	[STREAM_CLOSED] = 'c',
	[STREAM_PASSED] = 'p',
	[STREAM_TERMINAL] = 't',
};

static bool parse_streams(const char *value, struct request *request)
{
	if (strlen(value) != 3)
		return false;
	for (size_t i = 0; i < 3; i++) {
		const char *letter = memchr(stream_letters, value[i], sizeof(stream_letters));

		if (!letter)
			return false;
		request->streams[i] = (enum stream_choice)(letter - stream_letters);
	}
	return true;
}

static bool parse_lazy(const char *value, struct request *request)
{
	return parse_flag(value, &request->terminal_lazy);
}

static bool parse_umask(const char *value, struct request *request)
{
	uint64_t number;

	if (!parse_number(value, 8, 0777, &number))
		return false;
	request->umask = (mode_t)number;
	return true;
}

static bool parse_signals_ignored(const char *value, struct request *request)
{
	return parse_number(value, 16, UINT64_MAX, &request->signals_ignored);
}

static bool parse_signals_blocked(const char *value, struct request *request)
{
	return parse_number(value, 16, UINT64_MAX, &request->signals_blocked);
}

/* The version comes first, here and in a request. */
static const struct request_key request_keys[] = {
	{ "v", parse_version, true },
	{ "store", parse_store, false },
	{ "size", parse_size, false },
	{ "net", parse_network, false },
	{ "end", parse_end, false },
	{ "require", parse_require, false },
	{ "relax", parse_relax, false },
	{ "dry-run", parse_dry_run, false },
	{ "json", parse_json, false },
	{ "debug", parse_debug, false },
	{ "name", parse_name, false },
	{ "streams", parse_streams, true },
	{ "lazy", parse_lazy, false },
	{ "umask", parse_umask, true },
	{ "sigign", parse_signals_ignored, false },
	{ "sigblk", parse_signals_blocked, false },
};

#define REQUEST_KEYS (sizeof(request_keys) / sizeof(*request_keys))

_Static_assert(REQUEST_KEYS <= 32, "the keys seen are bits of an unsigned");

size_t request_descriptor_count(const struct request *request)
{
	size_t count = REQUEST_STREAMS;

	for (size_t i = 0; i < 3; i++)
		count += request->streams[i] == STREAM_PASSED;
	return count;
}

/* The index of the key that ends at @length in @string, or REQUEST_KEYS. */
static size_t find_key(const char *string, size_t length)
{
	size_t i;

	for (i = 0; i < REQUEST_KEYS; i++)
		if (strlen(request_keys[i].word) == length &&
		    memcmp(request_keys[i].word, string, length) == 0)
			break;
	return i;
}

/* Takes one string of the form KEY=VALUE. *@seen has the bits of the keys that came before it. */
static int parse_string(const char *string, unsigned *seen, struct request *request,
			struct problem *problem)
{
	const char *equals = strchr(string, '=');
	size_t key = equals ? find_key(string, (size_t)(equals - string)) : REQUEST_KEYS;

	if (*seen == 0 && key != 0)
		return problem_set(problem, EPROTO, "a request must begin with its version");
	if (key == REQUEST_KEYS)
		return problem_set(problem, EPROTO, "a request has no key '%.40s'", string);
	if (*seen & 1u << key)
		return problem_set(problem, EPROTO, "the request says '%s' twice",
				   request_keys[key].word);
	*seen |= 1u << key;
	if (equals[1] && request_keys[key].parse(equals + 1, request))
		return 0;
	if (key == 0)
		return problem_set(problem, EPROTO,
				   "the request has version '%.20s' but this keeper reads version "
				   "%d: privexec and its keeper must come from one build",
				   equals + 1, REQUEST_VERSION);
	return problem_set(problem, EPROTO, "the request's value '%.40s' of '%s' is malformed",
			   equals + 1, request_keys[key].word);
}

int request_parse(const char *bytes, size_t size, struct request *ret_request,
		  struct problem *problem)
{
	struct request request = { 0 };
	unsigned seen = 0;

	if (size == 0 || size > REQUEST_SIZE_MAX)
		return problem_set(problem, EPROTO, "a request has 1 to %d bytes, not %zu",
				   REQUEST_SIZE_MAX, size);
	/* with this, every string in the packet ends inside it */
	if (bytes[size - 1] != '\0')
		return problem_set(problem, EPROTO, "the request does not end with a NUL");

	for (size_t at = 0; at < size; at += strlen(bytes + at) + 1) {
		int r = parse_string(bytes + at, &seen, &request, problem);

		if (r < 0)
			return r;
	}
	for (size_t key = 0; key < REQUEST_KEYS; key++)
		if (request_keys[key].required && !(seen & 1u << key))
			return problem_set(problem, EPROTO, "the request does not say '%s'",
					   request_keys[key].word);
	*ret_request = request;
	return 0;
}

/* A packet being written. @used passes @size when it does not fit. */
struct packet {
	char *bytes;
	size_t size, used;
};

static void __attribute__((format(printf, 2, 3)))
packet_add(struct packet *packet, const char *format, ...)
{
	size_t room = packet->used < packet->size ? packet->size - packet->used : 0;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(room ? packet->bytes + packet->used : NULL, room, format, arguments);
	va_end(arguments);
	/* the NUL that ends the string is a part of the packet; an error makes it never fit */
	packet->used += length < 0 ? packet->size + 1 : (size_t)length + 1;
}

static void packet_add_choice(struct packet *packet, const char *key, const struct choice *table,
			      unsigned value)
{
	if (value)
		packet_add(packet, "%s=%s", key, choice_word(table, value));
}

ssize_t request_format(const struct request *request, char *bytes, size_t size)
{
	struct packet packet = { bytes, size < REQUEST_SIZE_MAX ? size : REQUEST_SIZE_MAX, 0 };
	char list[256];

	packet_add(&packet, "v=%d", REQUEST_VERSION);
	packet_add_choice(&packet, "store", choices_store, request->store);
	if (request->size)
		packet_add(&packet, "size=%llu", (unsigned long long)request->size);
	packet_add_choice(&packet, "net", choices_network, request->network);
	packet_add_choice(&packet, "end", choices_end, request->end);
	if (request->require)
		packet_add(
			&packet, "require=%s",
			choice_print_list(choices_require, request->require, list, sizeof(list)));
	if (request->relax_said)
		packet_add(&packet, "relax=%s",
			   choice_print_list(choices_relax, request->relax, list, sizeof(list)));
	if (request->dry_run)
		packet_add(&packet, "dry-run=1");
	if (request->json)
		packet_add(&packet, "json=1");
	if (request->debug)
		packet_add(&packet, "debug=1");
	if (request->name[0])
		packet_add(&packet, "name=%s", request->name);
	packet_add(&packet, "streams=%c%c%c", stream_letters[request->streams[0]],
		   stream_letters[request->streams[1]], stream_letters[request->streams[2]]);
	if (request->terminal_lazy)
		packet_add(&packet, "lazy=1");
	packet_add(&packet, "umask=%03o", request->umask);
	if (request->signals_ignored)
		packet_add(&packet, "sigign=%llx", (unsigned long long)request->signals_ignored);
	if (request->signals_blocked)
		packet_add(&packet, "sigblk=%llx", (unsigned long long)request->signals_blocked);
	return packet.used <= packet.size ? (ssize_t)packet.used : -EMSGSIZE;
}
