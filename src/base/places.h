/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where privexec keeps what outlives a process, wherever it is installed (that: paths.h). */
#ifndef PRIVEXEC_BASE_PLACES_H
#define PRIVEXEC_BASE_PLACES_H

#define STATE_DIRECTORY "/run/privexec"

#endif
