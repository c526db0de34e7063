/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PRIVEXEC_INIT_RESOLVER_H
#define PRIVEXEC_INIT_RESOLVER_H

/*
 * Writes the host's new resolv.conf, in the sealed memfd @source, over the session's, @target (open
 * for writing): in place, since programs hold it open or have it mounted. At most 64 KiB are taken.
 * Both stay the caller's. A @source that is not sealed is left alone: reading anything else could
 * take for ever.
 */
void resolver_rewrite(int target, int source);

#endif
