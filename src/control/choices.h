/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words a person chooses among, on the command line, in the configuration and in the request:
 * one table of spellings for each. Unknown words are the caller's to report.
 */
#ifndef PRIVEXEC_CONTROL_CHOICES_H
#define PRIVEXEC_CONTROL_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero always means "not said": the next source of a choice decides. */
enum store_choice { STORE_UNSAID, STORE_AUTO, STORE_DM_CRYPT, STORE_FSCRYPT, STORE_MEMORY };
enum network_choice { NETWORK_UNSAID, NETWORK_AUTO, NETWORK_PRIVATE, NETWORK_HOST, NETWORK_NONE };
enum end_choice { END_UNSAID, END_COMMAND, END_LAST };
enum suspend_choice { SUSPEND_UNSAID, SUSPEND_KEEP, SUSPEND_END };

/* Bits of a `relax` list. */
enum {
	RELAX_X11 = 1 << 0,
	RELAX_WAYLAND = 1 << 1,
	RELAX_SOUND = 1 << 2,
	RELAX_MITSHM = 1 << 3,
	RELAX_GPU = 1 << 4,
};

/* Bits of a `require` list. */
enum {
	REQUIRE_KERNEL_KEY = 1 << 0,
	REQUIRE_METADATA_HIDDEN = 1 << 1,
	REQUIRE_RESERVABLE = 1 << 2,
	REQUIRE_NO_SWAP = 1 << 3,
	REQUIRE_ENCRYPTED_SWAP = 1 << 4,
	REQUIRE_CLOSED = 1 << 5,
	REQUIRE_PRIVATE_NETWORK = 1 << 6,
	REQUIRE_LABELS = 1 << 7,
	REQUIRE_NO_HIBERNATION = 1 << 8,
	REQUIRE_NO_ACCOUNTING = 1 << 9,
	REQUIRE_RAM_SCRUB = 1 << 10,
};

/* A spelling and its value; a table ends with a NULL word. */
struct choice {
	const char *word;
	unsigned value;
};

extern const struct choice choices_store[];
extern const struct choice choices_network[];
extern const struct choice choices_end[];
extern const struct choice choices_suspend[];
extern const struct choice choices_relax[];
extern const struct choice choices_require[];

/* Looks @word up. Returns false when the table has no such word. */
bool choice_parse(const struct choice *table, const char *word, unsigned *ret_value);

/* The spelling of @value, or "unsaid". */
const char *choice_word(const struct choice *table, unsigned value);

/*
 * Parses a comma-separated list into a mask ("none" and the empty list are 0; "none" stands alone).
 * On an unknown word returns false and, if @ret_unknown is not NULL, copies that word to it.
 */
bool choice_parse_list(const struct choice *table, const char *list, unsigned *ret_mask,
		       char *ret_unknown, size_t unknown_size);

/*
 * The opposite of choice_parse_list(): the words of @mask as "a,b,c", "none" for 0. @buffer is
 * returned.
 */
const char *choice_print_list(const struct choice *table, unsigned mask, char *buffer, size_t size);

/* All spellings as "a, b, c", for messages. Writes at most @size bytes with the NUL. */
void choice_list_words(const struct choice *table, char *buffer, size_t size);

/*
 * A size in bytes: digits, then nothing or one of K, M, G, T (powers of 1024; KiB and kB spellings
 * are not taken). False for anything else, for 0 and for more than 2^60.
 */
bool choice_parse_size(const char *text, uint64_t *ret_bytes);

/* "512 MiB", "2.9 GiB": for people. @buffer is returned. */
const char *choice_print_size(uint64_t bytes, char *buffer, size_t size);

#endif
