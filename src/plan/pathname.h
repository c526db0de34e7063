/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths as texts. */
#ifndef PRIVEXEC_PLAN_PATHNAME_H
#define PRIVEXEC_PLAN_PATHNAME_H

#include <stdbool.h>

/*
 * Is @path absolute, with neither empty, "." nor ".." components, and without a slash at its end
 * (but for "/" itself)? Only such paths can be compared as texts.
 */
bool path_is_normal(const char *path);

#endif
