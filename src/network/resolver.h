/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name servers that the host's resolv.conf names. */
#ifndef PRIVEXEC_NETWORK_RESOLVER_H
#define PRIVEXEC_NETWORK_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define NAME_SERVERS_MAX 8

/* Zero-initialise. */
struct name_servers {
	struct stat seen; /* the file that they were read from */
	unsigned count;
	struct in6_addr servers[NAME_SERVERS_MAX]; /* IPv4 as ::ffff:a.b.c.d */
};

/* Reads resolv.conf, when it has changed since. */
void name_servers_read(struct name_servers *servers);

/* Does resolv.conf name @server? The file is read again when it has changed. */
bool name_servers_have(struct name_servers *servers, const struct in6_addr *server);

/* Takes the name servers from the @text of a resolv.conf. */
void name_servers_parse(struct name_servers *servers, char *text);

#endif
