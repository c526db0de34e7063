// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "network/resolver.h"

#define RESOLVER_FILE "/etc/resolv.conf"

static void add(struct name_servers *servers, char *word)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct in6_addr address = { 0 };

	if (servers->count == NAME_SERVERS_MAX)
		return;
	if (inet_pton(AF_INET, word, address.s6_addr + sizeof(mapped)) == 1)
		memcpy(address.s6_addr, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, word, &address) != 1)
		return; /* one with a zone is on another machine */
	servers->servers[servers->count++] = address;
}

void name_servers_parse(struct name_servers *servers, char *text)
{
	char *rest = text, *line;
	bool named = false;

	servers->count = 0;
	while ((line = strsep(&rest, "\n"))) {
		char *inner, *word = strtok_r(line, " \t\r", &inner);

		if (!word || strcmp(word, "nameserver") != 0)
			continue;
		named = true;
		word = strtok_r(NULL, " \t\r", &inner);
		if (word)
			add(servers, word);
	}
	if (!named) {
		/* what resolv.conf(5) says of such a file */
		char local[] = "127.0.0.1";

		add(servers, local);
	}
}

static bool is_same(const struct stat *one, const struct stat *two)
{
	return one->st_dev == two->st_dev && one->st_ino == two->st_ino &&
	       one->st_size == two->st_size && one->st_mtim.tv_sec == two->st_mtim.tv_sec &&
	       one->st_mtim.tv_nsec == two->st_mtim.tv_nsec;
}

void name_servers_read(struct name_servers *servers)
{
	_cleanup_close_ int file =
		open(RESOLVER_FILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status = { 0 };
	char text[16384];
	ssize_t length = 0;

	if (file >= 0 && (fstat(file, &status) < 0 || !S_ISREG(status.st_mode)))
		descriptor_close(&file);
	/* the first time all of it is zero: as if it had been seen not to be there */
	if (is_same(&status, &servers->seen) && servers->count > 0)
		return;
	if (file >= 0)
		length = pread(file, text, sizeof(text) - 1, 0);
	text[length > 0 ? length : 0] = '\0';
	servers->seen = status;
	name_servers_parse(servers, text);
}

bool name_servers_have(struct name_servers *servers, const struct in6_addr *server)
{
	name_servers_read(servers);
	for (unsigned i = 0; i < servers->count; i++)
		if (memcmp(&servers->servers[i], server, sizeof(*server)) == 0)
			return true;
	return false;
}
