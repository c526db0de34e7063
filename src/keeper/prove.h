/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `privexec-keeper --prove DIRECTORY...`: what an administrator runs, once after each start. */
#ifndef PRIVEXEC_KEEPER_PROVE_H
#define PRIVEXEC_KEEPER_PROVE_H

/* Proves each of @paths (NULL-terminated) and says so. Returns an exit status: 0, 1 if a tree does
 * not qualify, 125 if the caller is not root or nothing can be proven. */
int prove(char *const paths[]);

#endif
