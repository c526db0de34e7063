// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "network/relayed.h"

/* Longer than resolvers wait for an answer before they ask again. */
#define QUESTION_MILLISECONDS 15000

#define QUESTIONS_AT_ONCE 32
#define DATAGRAM_MAX 65535

/* Of the header of a question: the byte with the bit "this is an answer", the one with the result.
 */
#define FLAGS_AT 2
#define RESULT_AT 3
#define HEADER_SIZE 12
#define IS_ANSWER 0x80
#define RESULT_FAILED 2

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_ipv4(const struct in6_addr *address)
{
	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static struct in6_addr from_ipv4(struct in_addr address)
{
	struct in6_addr wide = { 0 };

	memcpy(wide.s6_addr, mapped, sizeof(mapped));
	memcpy(wide.s6_addr + sizeof(mapped), &address, sizeof(address));
	return wide;
}

socklen_t relayed_server(const struct in6_addr *address, struct sockaddr_storage *ret_server)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret_server;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret_server;

	memset(ret_server, 0, sizeof(*ret_server));
	if (is_ipv4(address)) {
		four->sin_family = AF_INET;
		four->sin_port = htons(53);
		memcpy(&four->sin_addr, address->s6_addr + sizeof(mapped), sizeof(four->sin_addr));
		return sizeof(*four);
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(53);
	six->sin6_addr = *address;
	return sizeof(*six);
}

void relayed_begin(struct relayed *relayed)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		relayed->questions[i].server = -1;
	for (size_t i = 0; i < STREAMS_MAX; i++)
		relayed->streams[i].halves[0].socket = relayed->streams[i].halves[1].socket = -1;
}

/* ---- datagrams ---- */

/* Room for what says which of the session's addresses a datagram is for, or an answer from. */
union control {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct cmsghdr align;
};

/* Who sent @message, and to which address. False when the kernel does not say. */
static bool read_addresses(struct msghdr *message, struct sockaddr_in6 *ret_client,
			   struct in6_addr *ret_asked)
{
	const struct sockaddr_in *four = message->msg_name;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
		if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo information;

			memcpy(&information, CMSG_DATA(h), sizeof(information));
			*ret_asked = from_ipv4(information.ipi_addr);
			*ret_client = (struct sockaddr_in6){
				.sin6_family = AF_INET,
				.sin6_port = four->sin_port,
				.sin6_addr = from_ipv4(four->sin_addr),
			};
			return true;
		}
		if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo information;

			memcpy(&information, CMSG_DATA(h), sizeof(information));
			*ret_asked = information.ipi6_addr;
			memcpy(ret_client, message->msg_name, sizeof(*ret_client));
			return true;
		}
	}
	return false;
}

/* Sends @bytes to the client, from the address that it asked. */
static void answer(const struct question *question, uint8_t *bytes, size_t length)
{
	union control control = { 0 };
	struct iovec part = { .iov_base = bytes, .iov_len = length };
	struct sockaddr_storage client;
	struct msghdr message = {
		.msg_name = &client,
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
	};
	struct cmsghdr *header = &control.align;

	if (is_ipv4(&question->asked)) {
		struct in_pktinfo from = { 0 };

		message.msg_namelen = relayed_server(&question->client.sin6_addr, &client);
		((struct sockaddr_in *)&client)->sin_port = question->client.sin6_port;
		memcpy(&from.ipi_spec_dst, question->asked.s6_addr + sizeof(mapped),
		       sizeof(from.ipi_spec_dst));
		*header = (struct cmsghdr){ CMSG_LEN(sizeof(from)), IPPROTO_IP, IP_PKTINFO };
		memcpy(CMSG_DATA(header), &from, sizeof(from));
		message.msg_controllen = CMSG_SPACE(sizeof(from));
	} else {
		struct in6_pktinfo from = { .ipi6_addr = question->asked };

		memcpy(&client, &question->client, sizeof(question->client));
		message.msg_namelen = sizeof(question->client);
		*header = (struct cmsghdr){ CMSG_LEN(sizeof(from)), IPPROTO_IPV6, IPV6_PKTINFO };
		memcpy(CMSG_DATA(header), &from, sizeof(from));
		message.msg_controllen = CMSG_SPACE(sizeof(from));
	}
	/* one that finds no room is asked for again */
	sendmsg(question->listener, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Nobody listens there: the client need not wait, as it would not on the host. */
static void refuse(struct question *question)
{
	if (question->length < HEADER_SIZE)
		return;
	question->last[FLAGS_AT] |= IS_ANSWER;
	question->last[RESULT_AT] = (question->last[RESULT_AT] & 0xf0) | RESULT_FAILED;
	answer(question, question->last, question->length);
	question->length = 0;
}

/* The slot of @client asking @asked: its own, a free one, or the one that has waited longest. */
static struct question *find_question(struct relayed *relayed, const struct sockaddr_in6 *client,
				      const struct in6_addr *asked)
{
	struct question *best = &relayed->questions[0];

	for (size_t i = 0; i < QUESTIONS_MAX; i++) {
		struct question *question = &relayed->questions[i];

		if (question->server >= 0 &&
		    memcmp(&question->client, client, sizeof(*client)) == 0 &&
		    memcmp(&question->asked, asked, sizeof(*asked)) == 0)
			return question;
		if (best->server >= 0 &&
		    (question->server < 0 || question->deadline < best->deadline))
			best = question;
	}
	descriptor_close(&best->server);
	return best;
}

static void connect_question(struct relayed *relayed, struct question *question)
{
	struct sockaddr_storage server;
	socklen_t length = relayed_server(&question->asked, &server);

	if (!name_servers_have(&relayed->servers, &question->asked))
		return;
	question->server = socket(server.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (question->server >= 0 &&
	    connect(question->server, (struct sockaddr *)&server, length) < 0)
		descriptor_close(&question->server);
}

static void pass_question(struct relayed *relayed, int listener, const struct sockaddr_in6 *client,
			  const struct in6_addr *asked, const uint8_t *bytes, size_t length,
			  int64_t now)
{
	struct question *question = find_question(relayed, client, asked);
	bool is_new = question->server < 0;

	question->listener = listener;
	question->client = *client;
	question->asked = *asked;
	question->deadline = now + QUESTION_MILLISECONDS;
	question->length = length < sizeof(question->last) ? length : sizeof(question->last);
	memcpy(question->last, bytes, question->length);
	if (is_new)
		connect_question(relayed, question);
	/* an error that came for the one before is told once, by failing this one */
	if (question->server < 0 ||
	    (send(question->server, bytes, length, MSG_NOSIGNAL) < 0 && errno != EAGAIN))
		refuse(question);
}

void relayed_ask(struct relayed *relayed, int listener, int64_t now)
{
	static uint8_t bytes[DATAGRAM_MAX];

	for (int i = 0; i < QUESTIONS_AT_ONCE; i++) {
		struct sockaddr_storage sender = { 0 };
		struct sockaddr_in6 client;
		struct in6_addr asked;
		union control control;
		struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };
		struct msghdr message = {
			.msg_name = &sender,
			.msg_namelen = sizeof(sender),
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		ssize_t length = recvmsg(listener, &message, MSG_DONTWAIT);

		if (length < 0)
			return;
		if (read_addresses(&message, &client, &asked))
			pass_question(relayed, listener, &client, &asked, bytes, (size_t)length,
				      now);
	}
}

static void pass_answers(struct question *question)
{
	static uint8_t bytes[DATAGRAM_MAX];

	for (int i = 0; i < QUESTIONS_AT_ONCE; i++) {
		ssize_t length = recv(question->server, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (length < 0) {
			if (errno != EAGAIN && errno != EINTR)
				refuse(question);
			return;
		}
		answer(question, bytes, (size_t)length);
	}
}

/* ---- streams ---- */

static bool connect_stream(struct relayed *relayed, struct stream *stream)
{
	struct sockaddr_storage here, server;
	socklen_t length = sizeof(here);
	struct in6_addr asked;

	if (getsockname(stream->halves[0].socket, (struct sockaddr *)&here, &length) < 0)
		return false;
	asked = here.ss_family == AF_INET ? from_ipv4(((struct sockaddr_in *)&here)->sin_addr)
					  : ((struct sockaddr_in6 *)&here)->sin6_addr;
	if (!name_servers_have(&relayed->servers, &asked))
		return false;
	length = relayed_server(&asked, &server);
	stream->halves[1].socket =
		socket(server.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	stream->connecting = true;
	return stream->halves[1].socket >= 0 &&
	       (connect(stream->halves[1].socket, (struct sockaddr *)&server, length) == 0 ||
		errno == EINPROGRESS);
}

void relayed_accept(struct relayed *relayed, int listener, int64_t now)
{
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct stream *stream = NULL;

	for (size_t i = 0; i < STREAMS_MAX && !stream; i++)
		if (relayed->streams[i].halves[0].socket < 0)
			stream = &relayed->streams[i];
	if (client < 0 || !stream) {
		descriptor_close(&client);
		return;
	}
	*stream = (struct stream){ .halves = { { .socket = client }, { .socket = -1 } } };
	stream->deadline = now + STREAM_MILLISECONDS;
	if (!connect_stream(relayed, stream))
		streams_close(stream);
}

/* ---- both ---- */

void relayed_poll(const struct relayed *relayed, struct pollfd *polled)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		polled[i] = (struct pollfd){ .fd = relayed->questions[i].server, .events = POLLIN };
	for (size_t i = 0; i < STREAMS_MAX; i++)
		streams_poll(&relayed->streams[i], polled + QUESTIONS_MAX + 2 * i);
}

int relayed_timeout(const struct relayed *relayed)
{
	int64_t first = INT64_MAX, left;

	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (relayed->questions[i].server >= 0 && relayed->questions[i].deadline < first)
			first = relayed->questions[i].deadline;
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (relayed->streams[i].halves[0].socket >= 0 &&
		    relayed->streams[i].deadline < first)
			first = relayed->streams[i].deadline;
	if (first == INT64_MAX)
		return -1;
	left = first - clock_milliseconds();
	return left > 0 ? (int)left : 0;
}

void relayed_move(struct relayed *relayed, const struct pollfd *polled, int64_t now)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++) {
		struct question *question = &relayed->questions[i];

		if (question->server < 0)
			continue;
		if (polled[i].revents)
			pass_answers(question);
		if (now >= question->deadline)
			descriptor_close(&question->server);
	}
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		struct stream *stream = &relayed->streams[i];

		if (stream->halves[0].socket < 0)
			continue;
		streams_move(stream, polled + QUESTIONS_MAX + 2 * i, now);
		if (now >= stream->deadline)
			streams_close(stream);
	}
}
