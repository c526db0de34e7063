/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the plan: what its two printed forms share. */
#ifndef PRIVEXEC_PLAN_PRINT_H
#define PRIVEXEC_PLAN_PRINT_H

#include "plan/plan.h"

/* The words of the plan's choices, the same in both forms. */
const char *fresh_word(enum fresh_kind fresh);
const char *authority_word(enum authority_kind authority);
const char *closing_word(enum closing_kind closing);

/* INHERIT_* as choices. */
extern const struct choice choices_inherit[];

/*
 * The bytes of the UTF-8 character at @text, or 0 if none begins there. Overlong forms, surrogates
 * and what is beyond U+10FFFF are none.
 */
size_t character_length(const char *text);

#endif
