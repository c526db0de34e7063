/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What privexec says to people, on standard error; one line at a time. */
#ifndef PRIVEXEC_PRIVEXEC_WORDS_H
#define PRIVEXEC_PRIVEXEC_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/message.h"

/* While the terminal is in raw mode, lines must return the carriage themselves. */
void words_set_raw(bool raw);

/* Prints "privexec: ..." and the end of the line, in one write(2). Control characters become '?'.
 */
void words_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Replaces what a terminal could act on by '?', except newlines and tabs if @keep_lines. */
void words_clean(char *text, size_t length, bool keep_lines);

/* The session's first line, and what -v adds to it. */
void words_started(const struct message_started *started);
void words_started_more(const struct message_started *started);

/* The store is smaller than asked for: @asked bytes, or 0 where privexec.conf says how much. */
void words_less(const struct message_started *started, uint64_t asked);

/* Which processes were still running when the command ended. */
void words_survivors(const struct message_survivors *survivors);

/* "cannot execute", "not found", as a shell says it. */
void words_cannot_execute(int error, const char *command);

/* The discarded amounts: "12 files, 3.4 MiB". @buffer is returned. */
const char *words_amount(const struct message_ended *ended, char *buffer, size_t size);

#endif
