// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/choices.h"

static void a_word_and_its_value_are_one(void **state)
{
	const struct choice *const tables[] = { choices_store,	 choices_network, choices_end,
						choices_suspend, choices_relax,	  choices_require };

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct choice *choice = tables[i]; choice->word; choice++) {
			unsigned value = 0;

			assert_true(choice_parse(tables[i], choice->word, &value));
			assert_int_equal(value, choice->value);
			assert_int_not_equal(value, 0);
			assert_string_equal(choice_word(tables[i], value), choice->word);
		}
	assert_string_equal(choice_word(choices_store, STORE_UNSAID), "unsaid");
}

static void other_words_are_unknown(void **state)
{
	unsigned value = 5;

	(void)state;
	assert_false(choice_parse(choices_store, "", &value));
	assert_false(choice_parse(choices_store, "Memory", &value));
	assert_false(choice_parse(choices_store, "memory ", &value));
	assert_false(choice_parse(choices_store, "memoryy", &value));
	assert_int_equal(value, 5);
}

static void a_list_is_the_sum_of_its_words(void **state)
{
	unsigned mask = 99;
	char unknown[16];

	(void)state;
	assert_true(choice_parse_list(choices_relax, "x11,gpu", &mask, NULL, 0));
	assert_int_equal(mask, RELAX_X11 | RELAX_GPU);
	assert_true(choice_parse_list(choices_relax, "none", &mask, NULL, 0));
	assert_int_equal(mask, 0);
	assert_true(choice_parse_list(choices_relax, "", &mask, NULL, 0));
	assert_int_equal(mask, 0);
	mask = 99;
	assert_false(choice_parse_list(choices_relax, "x11,none", &mask, unknown, sizeof(unknown)));
	assert_string_equal(unknown, "none");
	assert_false(choice_parse_list(choices_relax, "x11,", &mask, unknown, sizeof(unknown)));
	assert_string_equal(unknown, "");
	assert_false(choice_parse_list(choices_relax, "x11, gpu", &mask, unknown, sizeof(unknown)));
	assert_string_equal(unknown, " gpu");
	assert_false(choice_parse_list(choices_relax,
				       "a-word-that-is-much-longer-than-any-that-is-known", &mask,
				       unknown, sizeof(unknown)));
	assert_string_equal(unknown, "a-word-that-is-");
	assert_int_equal(mask, 99);
}

static void a_mask_is_printed_as_it_is_parsed(void **state)
{
	char text[256], small[8];
	unsigned mask;

	(void)state;
	for (unsigned bits = 0; bits < REQUIRE_RAM_SCRUB << 1; bits++) {
		assert_ptr_equal(choice_print_list(choices_require, bits, text, sizeof(text)),
				 text);
		assert_true(choice_parse_list(choices_require, text, &mask, NULL, 0));
		assert_int_equal(mask, bits);
	}
	assert_string_equal(choice_print_list(choices_relax, 0, text, sizeof(text)), "none");
	/* what does not fit is cut, not written past the end */
	memset(small, '#', sizeof(small));
	choice_print_list(choices_require, REQUIRE_NO_SWAP | REQUIRE_CLOSED, small, 7);
	assert_int_equal(strlen(small), 6);
	assert_int_equal(small[7], '#');
}

static void all_words_can_be_listed(void **state)
{
	char text[256], small[6];

	(void)state;
	choice_list_words(choices_end, text, sizeof(text));
	assert_string_equal(text, "command, last");
	choice_list_words(choices_end, small, sizeof(small));
	assert_string_equal(small, "comma");
}

static void a_size_is_a_number_and_perhaps_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes; /* 0: refused */
	} sizes[] = {
		{ "1", 1 },
		{ "0512", 512 },
		{ "1K", 1024 },
		{ "3M", 3 << 20 },
		{ "8G", 8ULL << 30 },
		{ "1024T", 1ULL << 50 },
		{ "1048576T", 1ULL << 60 },
		{ "1152921504606846976", 1ULL << 60 },
		{ "1152921504606846977", 0 },
		{ "1048577T", 0 },
		{ "18446744073709551617", 0 },
		{ "99999999999999999999999999", 0 },
		{ "0", 0 },
		{ "0G", 0 },
		{ "", 0 },
		{ "G", 0 },
		{ "-1", 0 },
		{ "+1", 0 },
		{ " 1", 0 },
		{ "1 ", 0 },
		{ "1g", 0 },
		{ "1GiB", 0 },
		{ "1.5G", 0 },
		{ "0x10", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint64_t bytes = 0;

		if (choice_parse_size(sizes[i].text, &bytes) != (sizes[i].bytes != 0) ||
		    bytes != sizes[i].bytes)
			fail_msg("\"%s\" gives %llu", sizes[i].text, (unsigned long long)bytes);
	}
}

static void a_size_is_printed_for_people(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(choice_print_size(0, text, sizeof(text)), "0 bytes");
	assert_string_equal(choice_print_size(512, text, sizeof(text)), "512 bytes");
	assert_string_equal(choice_print_size(512ULL << 20, text, sizeof(text)), "512 MiB");
	assert_string_equal(choice_print_size(3113851290, text, sizeof(text)), "2.9 GiB");
	assert_string_equal(choice_print_size(1ULL << 60, text, sizeof(text)), "1.0 EiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_and_its_value_are_one),
		cmocka_unit_test(other_words_are_unknown),
		cmocka_unit_test(a_list_is_the_sum_of_its_words),
		cmocka_unit_test(a_mask_is_printed_as_it_is_parsed),
		cmocka_unit_test(all_words_can_be_listed),
		cmocka_unit_test(a_size_is_a_number_and_perhaps_a_unit),
		cmocka_unit_test(a_size_is_printed_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
