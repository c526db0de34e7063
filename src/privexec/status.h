/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --status-fd: what happens to the session, as JSON lines; the events are in docs/formats.md. */
#ifndef PRIVEXEC_PRIVEXEC_STATUS_H
#define PRIVEXEC_PRIVEXEC_STATUS_H

#include <stdbool.h>

#include "control/message.h"

/* Each writes one line to @descriptor and does nothing if that is negative. A reader who is gone
 * is no error. */
void status_started(int descriptor, const struct message_started *started, const char *name);
void status_stopped(int descriptor, int signal);
void status_continued(int descriptor);
void status_ended(int descriptor, const struct message_ended *ended,
		  const struct message_survivors *survivors, bool executed);

#endif
