/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relay of the name service. A name server on this machine, as 127.0.0.53 is, cannot be reached
 * from the session's network. So the relay takes what is sent to port 53 of an address of the
 * session's own, and if the host's resolv.conf names that address, hands it to that port on the
 * host, and the answer back. It understands nothing of what it carries.
 */
#ifndef PRIVEXEC_NETWORK_RELAY_H
#define PRIVEXEC_NETWORK_RELAY_H

#include "network/space.h"

/* Starts it, in the caller's (the host's) network, without any capability. A descriptor that is
 * readable when it has ended, or a negative errno. */
int relay_start(const int space[SPACE_DESCRIPTORS]);

#endif
