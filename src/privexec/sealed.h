/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory files that nobody can change any more: how bytes travel to the session's first process. */
#ifndef PRIVEXEC_PRIVEXEC_SEALED_H
#define PRIVEXEC_PRIVEXEC_SEALED_H

#include <stddef.h>

/* Each returns a new close-on-exec descriptor, or a negative errno. */
int sealed_bytes(const char *name, const void *bytes, size_t size);
/* The strings of a NULL-terminated vector, each with its NUL. */
int sealed_strings(const char *name, char *const *strings);

#endif
