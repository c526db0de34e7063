// SPDX-License-Identifier: GPL-2.0-or-later
/* The room of the private network, as far as it needs no network. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/channel.h"
#include "network/netlink.h"
#include "network/network.h"
#include "network/pasta.h"
#include "network/resolver.h"

/* --- resolv.conf --- */

static void assert_servers(const char *text, const char *const expected[])
{
	struct name_servers servers = { 0 };
	char copy[1024];
	unsigned count = 0;

	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	name_servers_parse(&servers, copy);
	for (; expected[count]; count++) {
		char printed[INET6_ADDRSTRLEN];

		assert_true(count < servers.count);
		inet_ntop(AF_INET6, &servers.servers[count], printed, sizeof(printed));
		assert_string_equal(printed, expected[count]);
	}
	assert_int_equal(servers.count, count);
}

static void name_servers_are_taken_as_the_resolver_takes_them(void **state)
{
	(void)state;
	assert_servers("nameserver 127.0.0.53\noptions edns0\nsearch .\n",
		       (const char *[]){ "::ffff:127.0.0.53", NULL });
	assert_servers("# nameserver 1.1.1.1\n;nameserver 2.2.2.2\nnameserver\t192.0.2.1 # ours\n"
		       "  nameserver 2001:db8::1\r\nnameserver ::1",
		       (const char *[]){ "::ffff:192.0.2.1", "2001:db8::1", "::1", NULL });
}

static void a_file_without_name_servers_means_this_machine(void **state)
{
	(void)state;
	assert_servers("", (const char *[]){ "::ffff:127.0.0.1", NULL });
	assert_servers("domain example.org\n", (const char *[]){ "::ffff:127.0.0.1", NULL });
}

static void what_is_no_address_is_passed_over(void **state)
{
	(void)state;
	assert_servers("nameserver\nnameserver localhost\nnameserver fe80::1%eth0\n"
		       "nameserver 1.2.3\nnameservers 192.0.2.9\n",
		       (const char *[]){ NULL });
}

static void no_more_name_servers_are_taken_than_there_is_room_for(void **state)
{
	char text[1024] = "";
	struct name_servers servers = { 0 };

	(void)state;
	for (int i = 0; i < NAME_SERVERS_MAX + 3; i++)
		strcat(text, "nameserver 192.0.2.1\n");
	name_servers_parse(&servers, text);
	assert_int_equal(servers.count, NAME_SERVERS_MAX);
}

/* --- what pasta says --- */

static struct pasta pasta_that_says(const char *text, int *ret_end)
{
	struct pasta pasta = PASTA_NONE;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
	pasta.words = ends[0];
	*ret_end = ends[1];
	return pasta;
}

static void digits_alone_mean_that_pasta_is_ready(void **state)
{
	struct pasta pasta;
	int end;

	(void)state;
	pasta = pasta_that_says("Template interface: eth0\n12", &end);
	assert_true(pasta_hear(&pasta));
	assert_false(pasta.ready);
	assert_int_equal(write(end, "34\n", 3), 3);
	assert_true(pasta_hear(&pasta));
	assert_true(pasta.ready);
	close(end);
	assert_false(pasta_hear(&pasta));
	assert_int_equal(pasta.words, -1);
}

static void the_last_words_of_pasta_are_kept_and_cleaned(void **state)
{
	struct pasta pasta;
	char line[400];
	int end;

	(void)state;
	pasta = pasta_that_says("first\nsecond \033[2J", &end);
	close(end);
	assert_false(pasta_hear(&pasta));
	assert_false(pasta.ready);
	assert_string_equal(pasta.last, "second ?[2J");

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	pasta = pasta_that_says(line, &end);
	close(end);
	assert_false(pasta_hear(&pasta));
	assert_int_equal(strlen(pasta.last), sizeof(pasta.last) - 1);
}

/* --- what the holder says --- */

static void a_note_has_its_text_and_the_end_is_heard(void **state)
{
	char text[NETWORK_TEXT_MAX + 1], long_note[NETWORK_TEXT_MAX + 50];
	struct network network = NETWORK_HAS_NONE;
	int ends[2];

	(void)state;
	assert_int_equal(channel_pair(ends), 0);
	network.channel = ends[0];
	assert_int_equal(network_hear(&network, 0, text), -ETIMEDOUT);
	assert_int_equal(channel_send(ends[1], "fwhy", 4, NULL, 0), 0);
	assert_int_equal(network_hear(&network, 0, text), NETWORK_FAILED);
	assert_string_equal(text, "why");
	assert_int_equal(channel_send(ends[1], "u", 1, NULL, 0), 0);
	assert_int_equal(network_hear(&network, 0, text), NETWORK_UP);
	assert_string_equal(text, "");
	/* what the holder never sends is taken for its end */
	memset(long_note, 'f', sizeof(long_note));
	assert_int_equal(channel_send(ends[1], long_note, sizeof(long_note), NULL, 0), 0);
	assert_int_equal(network_hear(&network, 0, text), 0);
	close(ends[1]);
	assert_int_equal(network_hear(&network, 0, text), 0);
	close(ends[0]);
}

/* --- netlink --- */

static void a_request_that_does_not_fit_is_not_sent(void **state)
{
	const struct rtmsg route = { .rtm_family = AF_INET };
	struct netlink_request request;
	char value[200] = "";

	(void)state;
	netlink_begin(&request, RTM_GETROUTE, 0, &route, sizeof(route));
	for (int i = 0; i < 3; i++)
		netlink_add(&request, RTA_DST, value, sizeof(value));
	assert_int_equal(netlink_ask(-1, &request), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_servers_are_taken_as_the_resolver_takes_them),
		cmocka_unit_test(a_file_without_name_servers_means_this_machine),
		cmocka_unit_test(what_is_no_address_is_passed_over),
		cmocka_unit_test(no_more_name_servers_are_taken_than_there_is_room_for),
		cmocka_unit_test(digits_alone_mean_that_pasta_is_ready),
		cmocka_unit_test(the_last_words_of_pasta_are_kept_and_cleaned),
		cmocka_unit_test(a_note_has_its_text_and_the_end_is_heard),
		cmocka_unit_test(a_request_that_does_not_fit_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
