// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The socket over which the two ends tell each other things. */
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define PORT "18515"

void ex_send(int sock, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = send(sock, p, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			err(1, "the other end is gone");
		p += n;
		size -= n;
	}
}

void ex_recv(int sock, void *data, size_t size)
{
	char *p = data;

	while (size) {
		ssize_t n = recv(sock, p, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			errx(1, "the other end is gone");
		p += n;
		size -= n;
	}
}

void ex_swap(int sock, const void *mine, void *theirs, size_t size)
{
	ex_send(sock, mine, size);
	ex_recv(sock, theirs, size);
}

void ex_sync(const struct ex_end *end)
{
	char mine = 's', theirs;

	ex_swap(end->sock, &mine, &theirs, 1);
}

int ex_dial(const char *host)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int sock = -1, tries, ret;

	ret = getaddrinfo(host, PORT, &hints, &list);
	if (ret)
		errx(1, "%s: %s", host, gai_strerror(ret));
	for (tries = 0; tries < 50; tries++, usleep(100000))
		for (ai = list; ai; ai = ai->ai_next) {
			sock = socket(ai->ai_family, ai->ai_socktype, 0);
			if (sock >= 0 &&
			    !connect(sock, ai->ai_addr, ai->ai_addrlen)) {
				freeaddrinfo(list);
				return sock;
			}
			close(sock);
		}
	err(1, "%s", host);
}

int ex_await(void)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE,
				  .ai_family = AF_INET,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *ai;
	int sock, one = 1, accepted;

	if (getaddrinfo(NULL, PORT, &hints, &ai))
		errx(1, "no address to listen on");
	sock = socket(ai->ai_family, ai->ai_socktype, 0);
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(sock, ai->ai_addr, ai->ai_addrlen) || listen(sock, 1))
		err(1, "port " PORT);
	freeaddrinfo(ai);
	accepted = accept(sock, NULL, NULL);
	if (accepted < 0)
		err(1, "accept");
	close(sock);
	return accepted;
}

bool ex_has_come(int sock)
{
	struct pollfd ready = { .fd = sock, .events = POLLIN };

	return poll(&ready, 1, 0) == 1;
}
