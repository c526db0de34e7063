// SPDX-License-Identifier: GPL-2.0-or-later
/* The plan for machines: --dry-run --json. The keys are listed in docs/formats.md. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/print.h"

#define PLAN_VERSION 1

/* Adds @value, which it takes over in any case, to @object. False when there is no memory. */
static bool add(struct json_object *object, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(object, key, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

/* The same for an array. */
static bool append(struct json_object *array, struct json_object *value)
{
	if (value && json_object_array_add(array, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

/* JSON is UTF-8 and names are any bytes: what is no character becomes U+FFFD. */
static struct json_object *new_text(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	_cleanup_free_ char *clean = malloc(strlen(text) * (sizeof(replacement) - 1) + 1);
	char *to = clean;

	if (!clean)
		return NULL;
	while (*text) {
		size_t length = character_length(text);

		if (length > 0) {
			memcpy(to, text, length);
			to += length;
			text += length;
		} else {
			memcpy(to, replacement, sizeof(replacement) - 1);
			to += sizeof(replacement) - 1;
			text++;
		}
	}
	*to = '\0';
	return json_object_new_string(clean);
}

/* An array of the words of @mask. */
static struct json_object *new_words(const struct choice *table, unsigned mask)
{
	struct json_object *array = json_object_new_array();

	for (; array && table->word; table++)
		if ((mask & table->value) && !append(array, new_text(table->word))) {
			json_object_put(array);
			return NULL;
		}
	return array;
}

static struct json_object *new_node(const struct plan_node *node)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	if (add(object, "path", new_text(node->path)) &&
	    add(object, "kind", new_text(node->link ? "link" : node_kind_word(node->kind))) &&
	    (node->fresh == FRESH_NOT || add(object, "fresh", new_text(fresh_word(node->fresh)))) &&
	    (!node->link || add(object, "link", new_text(node->link))) &&
	    (!node->type[0] || add(object, "type", new_text(node->type))) &&
	    add(object, "directory", json_object_new_boolean(node->directory)) &&
	    add(object, "listed", json_object_new_boolean(node->strict)) &&
	    add(object, "inherit", new_words(choices_inherit, node->inherit)) &&
	    add(object, "reason", new_text(node->reason)))
		return object;
	json_object_put(object);
	return NULL;
}

static struct json_object *new_nodes(const struct plan *plan)
{
	struct json_object *array = json_object_new_array();

	if (!array)
		return NULL;
	plan_for_each_node (node, plan)
		if (!append(array, new_node(node))) {
			json_object_put(array);
			return NULL;
		}
	return array;
}

static struct json_object *new_exits(const struct plan *plan)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < plan->exit_count; i++) {
		struct json_object *object = json_object_new_object();

		if (!object || !add(object, "name", new_text(plan->exits[i].name)) ||
		    !add(object, "reason", new_text(plan->exits[i].reason))) {
			json_object_put(object);
			object = NULL;
		}
		if (!append(array, object)) {
			json_object_put(array);
			return NULL;
		}
	}
	return array;
}

static bool fill(struct json_object *object, const struct plan *plan)
{
	uint64_t size = plan->size_granted ? plan->size_granted : plan->size;

	return add(object, "v", json_object_new_int(PLAN_VERSION)) &&
	       add(object, "authority", new_text(authority_word(plan->authority))) &&
	       add(object, "closing", new_text(closing_word(plan->closing))) &&
	       add(object, "store", new_text(choice_word(choices_store, plan->store))) &&
	       (!plan->store_reason[0] ||
		add(object, "store_reason", new_text(plan->store_reason))) &&
	       /* without it the store's default holds */
	       (!size || add(object, "size", json_object_new_uint64(size))) &&
	       (!plan->swap[0] || add(object, "swap", new_text(plan->swap))) &&
	       add(object, "network", new_text(choice_word(choices_network, plan->network))) &&
	       (!plan->network_reason[0] ||
		add(object, "network_reason", new_text(plan->network_reason))) &&
	       add(object, "end", new_text(choice_word(choices_end, plan->end))) &&
	       add(object, "require", new_words(choices_require, plan->require)) &&
	       add(object, "nodes", new_nodes(plan)) && add(object, "exits", new_exits(plan));
}

/* JSON may hold DEL and U+0080 to U+009F as they are, but a terminal acts on them: escape those. */
static int print_escaped(const char *text, FILE *stream)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];
		bool wide = c == 0xc2 && next >= 0x80 && next <= 0x9f;

		if (c == 0x7f || wide)
			fprintf(stream, "\\u%04x", wide ? next : c);
		else
			fputc(c, stream);
		text += wide;
	}
	return fputc('\n', stream) == EOF || ferror(stream) ? -EIO : 0;
}

int plan_print_json(const struct plan *plan, FILE *stream)
{
	struct json_object *object = json_object_new_object();
	const char *text = NULL;
	int r = -ENOMEM;

	if (object && fill(object, plan))
		text = json_object_to_json_string_ext(
			object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		r = print_escaped(text, stream);
	json_object_put(object);
	return r;
}
