// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "privexec/clipboard.h"

#define ESCAPE 0x1b
#define BELL 0x07
#define CANCEL 0x18 /* ends a sequence without an effect in every terminal */
#define SUBSTITUTE 0x1a

static const char *const forbidden[] = { "52;", "5522;", "1337;Copy" };

enum verdict { VERDICT_HARMLESS, VERDICT_OPEN, VERDICT_FORBIDDEN };

static enum verdict judge(const struct output_filter *filter)
{
	enum verdict verdict = VERDICT_HARMLESS;

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
		size_t whole = strlen(forbidden[i]);
		size_t length = filter->length < whole ? filter->length : whole;

		if (memcmp(filter->command, forbidden[i], length) != 0)
			continue;
		if (length == whole)
			return VERDICT_FORBIDDEN;
		verdict = VERDICT_OPEN;
	}
	return verdict;
}

/* A byte of the beginning of an OSC. Returns what is to be printed in its place. */
static unsigned char take_command_byte(struct output_filter *filter, unsigned char c)
{
	if (c == ESCAPE) {
		filter->state = FILTER_ESCAPE;
		return c;
	}
	if (c < ' ') {
		filter->state = FILTER_TEXT;
		return c;
	}
	/* 052 is 52 to a terminal */
	if (filter->length == 0 && c == '0')
		return c;
	filter->command[filter->length++] = (char)c;
	switch (judge(filter)) {
	case VERDICT_OPEN:
		return c;
	case VERDICT_FORBIDDEN:
		/* its beginning is out already; this makes the terminal forget it */
		filter->state = FILTER_DROP;
		return CANCEL;
	default:
		filter->state = FILTER_TEXT;
		return c;
	}
}

/* A byte inside a forbidden sequence. Returns true when it is to be printed. */
static bool take_dropped_byte(struct output_filter *filter, unsigned char c)
{
	switch (filter->state) {
	case FILTER_DROP_ESCAPE:
		/* ESC \ ends it, and ESC ESC \ as tmux passes it through; any other ESC aborts it
		 */
		if (c == ESCAPE)
			return false;
		filter->state = FILTER_TEXT;
		return c != '\\';
	case FILTER_DROP_C2:
		filter->state = c == 0x9c ? FILTER_TEXT : FILTER_DROP;
		return false;
	default:
		if (c == ESCAPE)
			filter->state = FILTER_DROP_ESCAPE;
		else if (c == 0xc2)
			filter->state = FILTER_DROP_C2;
		else if (c == BELL || c == CANCEL || c == SUBSTITUTE)
			filter->state = FILTER_TEXT;
		return false;
	}
}

static void begin_command(struct output_filter *filter)
{
	filter->state = FILTER_COMMAND;
	filter->length = 0;
}

/* A byte outside of any OSC's beginning: only notes where one begins. */
static void take_text_byte(struct output_filter *filter, unsigned char c)
{
	enum filter_state before = filter->state;
	bool inside = filter->previous >= 0x80;

	filter->state = FILTER_TEXT;
	if (before == FILTER_ESCAPE && c == ']')
		begin_command(filter);
	else if (before == FILTER_C2 && c == 0x9d)
		begin_command(filter);
	else if (before == FILTER_TEXT && c == 0x9d && !inside)
		begin_command(filter); /* OSC in 8 bits; inside a character of UTF-8 it is text */
	else if (c == ESCAPE)
		filter->state = FILTER_ESCAPE;
	else if (c == 0xc2)
		filter->state = FILTER_C2;
}

size_t output_filter_apply(struct output_filter *filter, char *bytes, size_t size)
{
	size_t kept = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (filter->outer_returns && c == '\r' && i + 1 < size && bytes[i + 1] == '\n')
			continue;
		if (filter->state >= FILTER_DROP) {
			if (!take_dropped_byte(filter, c))
				continue;
		} else if (filter->state == FILTER_COMMAND) {
			c = take_command_byte(filter, c);
		} else {
			take_text_byte(filter, c);
		}
		filter->previous = c;
		bytes[kept++] = (char)c;
	}
	return kept;
}
