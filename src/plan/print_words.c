// SPDX-License-Identifier: GPL-2.0-or-later
/* The plan for people: --dry-run. */
#include <string.h>

#include "plan/print.h"

/* Would a terminal act on the character of @length bytes at @text? C0, DEL, and C1 in UTF-8. */
static bool is_control(const char *text, size_t length)
{
	unsigned char first = (unsigned char)text[0];

	if (length == 1)
		return first < ' ' || first == 0x7f;
	return length == 2 && first == 0xc2 && (unsigned char)text[1] < 0xa0;
}

/*
 * Writes @text, filled up to @width, with backslashes and everything that is no printable character
 * in octal, as mountinfo does: names are anybody's, and a terminal acts on some of them.
 */
static void print_escaped(const char *text, int width, FILE *stream)
{
	while (*text) {
		size_t length = character_length(text);

		if (length > 0 && !is_control(text, length) && *text != '\\') {
			fwrite(text, 1, length, stream);
			text += length;
			width--;
		} else {
			fprintf(stream, "\\%03o", (unsigned)(unsigned char)*text);
			text++;
			width -= 4;
		}
	}
	fprintf(stream, "%*s", width > 0 ? width : 0, "");
}

/* What is known of a node besides its reason, as " (ext4, noexec)". */
static void print_notes(const struct plan_node *node, FILE *stream)
{
	const char *separator = " (";

	if (node->type[0]) {
		fputs(separator, stream);
		print_escaped(node->type, 0, stream);
		separator = ", ";
	}
	for (const struct choice *inherit = choices_inherit; inherit->word; inherit++)
		if (node->inherit & inherit->value) {
			fprintf(stream, "%s%s", separator, inherit->word);
			separator = ", ";
		}
	if (node->strict) {
		fprintf(stream, "%slisted", separator);
		separator = ", ";
	}
	if (separator[0] == ',')
		putc(')', stream);
}

static void print_node(const struct plan_node *node, FILE *stream)
{
	fprintf(stream, "  %-10s  ", node->link ? "link" : node_kind_word(node->kind));
	print_escaped(node->path, 24, stream);
	fprintf(stream, "  %s", node->reason);
	if (node->link) {
		fputs(": ", stream);
		print_escaped(node->link, 0, stream);
	}
	print_notes(node, stream);
	putc('\n', stream);
}

static const char *closing_sentence(const struct plan *plan)
{
	switch (plan->closing) {
	case CLOSING_IDENTITY:
		return "by a user namespace that is root's";
	case CLOSING_SHIFTED:
		return "by a user namespace in which root is nobody of the host";
	case CLOSING_NONE:
		break;
	}
	return plan->authority == AUTHORITY_USER_NAMESPACE
		       ? "no: the same user's programs can look in"
		       : "no: user namespaces are switched off";
}

static void print_choices(const struct plan *plan, FILE *stream)
{
	char text[256];
	uint64_t size = plan->size_granted ? plan->size_granted : plan->size;

	fprintf(stream, "authority  %s\n", authority_word(plan->authority));
	fprintf(stream, "closed     %s\n", closing_sentence(plan));
	fprintf(stream, "store      %s, %s\n", choice_word(choices_store, plan->store),
		size ? choice_print_size(size, text, sizeof(text)) : "its default size");
	if (plan->store_reason[0])
		fprintf(stream, "           since %s\n", plan->store_reason);
	if (plan->swap[0])
		fprintf(stream, "swap       %s\n", plan->swap);
	fprintf(stream, "network    %s\n",
		plan->network_words[0] ? plan->network_words
				       : choice_word(choices_network, plan->network));
	if (plan->network_reason[0])
		fprintf(stream, "           since %s\n", plan->network_reason);
	fprintf(stream, "end        %s\n", choice_word(choices_end, plan->end));
	fprintf(stream, "require    %s\n",
		choice_print_list(choices_require, plan->require, text, sizeof(text)));
}

void plan_print_words(const struct plan *plan, FILE *stream)
{
	print_choices(plan, stream);
	fputs("view\n", stream);
	plan_for_each_node (node, plan)
		print_node(node, stream);
	fputs("exits\n", stream);
	for (size_t i = 0; i < plan->exit_count; i++) {
		fputs("  ", stream);
		print_escaped(plan->exits[i].name, 0, stream);
		fprintf(stream, ": %s\n", plan->exits[i].reason);
	}
}
