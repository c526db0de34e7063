// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "control/choices.h"

const struct choice choices_store[] = {
	{ "auto", STORE_AUTO },
	{ "dm-crypt", STORE_DM_CRYPT },
	{ "fscrypt", STORE_FSCRYPT },
	{ "memory", STORE_MEMORY },
	{ NULL, 0 },
};

const struct choice choices_network[] = {
	{ "auto", NETWORK_AUTO },
	{ "private", NETWORK_PRIVATE },
	{ "host", NETWORK_HOST },
	{ "none", NETWORK_NONE },
	{ NULL, 0 },
};

const struct choice choices_end[] = {
	{ "command", END_COMMAND },
	{ "last", END_LAST },
	{ NULL, 0 },
};

const struct choice choices_suspend[] = {
	{ "keep", SUSPEND_KEEP },
	{ "end", SUSPEND_END },
	{ NULL, 0 },
};

const struct choice choices_relax[] = {
	{ "x11", RELAX_X11 },	    { "wayland", RELAX_WAYLAND }, { "sound", RELAX_SOUND },
	{ "mitshm", RELAX_MITSHM }, { "gpu", RELAX_GPU },	  { NULL, 0 },
};

const struct choice choices_require[] = {
	{ "kernel-key", REQUIRE_KERNEL_KEY },
	{ "metadata-hidden", REQUIRE_METADATA_HIDDEN },
	{ "reservable", REQUIRE_RESERVABLE },
	{ "no-swap", REQUIRE_NO_SWAP },
	{ "encrypted-swap", REQUIRE_ENCRYPTED_SWAP },
	{ "closed", REQUIRE_CLOSED },
	{ "private-network", REQUIRE_PRIVATE_NETWORK },
	{ "labels", REQUIRE_LABELS },
	{ "no-hibernation", REQUIRE_NO_HIBERNATION },
	{ "no-accounting", REQUIRE_NO_ACCOUNTING },
	{ "ram-scrub", REQUIRE_RAM_SCRUB },
	{ NULL, 0 },
};

bool choice_parse(const struct choice *table, const char *word, unsigned *ret_value)
{
	for (; table->word; table++)
		if (strcmp(table->word, word) == 0) {
			*ret_value = table->value;
			return true;
		}
	return false;
}

const char *choice_word(const struct choice *table, unsigned value)
{
	for (; table->word; table++)
		if (table->value == value)
			return table->word;
	return "unsaid";
}

bool choice_parse_list(const struct choice *table, const char *list, unsigned *ret_mask,
		       char *ret_unknown, size_t unknown_size)
{
	unsigned mask = 0;

	if (!*list || strcmp(list, "none") == 0) {
		*ret_mask = 0;
		return true;
	}
	while (true) {
		size_t length = strcspn(list, ",");
		char word[32];
		unsigned value;

		snprintf(word, sizeof(word), "%.*s", (int)(length < 31 ? length : 31), list);
		if (length >= sizeof(word) || !choice_parse(table, word, &value)) {
			if (ret_unknown)
				snprintf(ret_unknown, unknown_size, "%s", word);
			return false;
		}
		mask |= value;
		if (!list[length])
			break;
		list += length + 1;
	}
	*ret_mask = mask;
	return true;
}

const char *choice_print_list(const struct choice *table, unsigned mask, char *buffer, size_t size)
{
	size_t used = 0;

	snprintf(buffer, size, "%s", mask ? "" : "none");
	for (; table->word && used < size; table++) {
		int added;

		if (!(mask & table->value))
			continue;
		added = snprintf(buffer + used, size - used, "%s%s", used > 0 ? "," : "",
				 table->word);
		used += added > 0 ? (size_t)added : 0;
	}
	return buffer;
}

void choice_list_words(const struct choice *table, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (const struct choice *c = table; c->word && used < size; c++) {
		int added = snprintf(buffer + used, size - used, "%s%s", c == table ? "" : ", ",
				     c->word);

		used += added > 0 ? (size_t)added : 0;
	}
}

bool choice_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const uint64_t most = 1ULL << 60;
	uint64_t bytes = 0;
	const char *unit;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (bytes > most / 10)
			return false;
		bytes = bytes * 10 + (uint64_t)(*text - '0');
	}
	if (*text) {
		unit = strchr(units, *text);
		if (!unit || text[1])
			return false;
		for (const char *u = units; u <= unit; u++) {
			if (bytes > most / 1024)
				return false;
			bytes *= 1024;
		}
	}
	if (bytes == 0 || bytes > most)
		return false;
	*ret_bytes = bytes;
	return true;
}

const char *choice_print_size(uint64_t bytes, char *buffer, size_t size)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit < sizeof(units) / sizeof(*units) - 1) {
		value /= 1024;
		unit++;
	}
	snprintf(buffer, size, unit > 0 && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buffer;
}
