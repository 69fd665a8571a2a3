// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

static void set_path(struct sockaddr_un *addr, const char *path)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		die("socket path too long: %s", path);
	strcpy(addr->sun_path, path);
}

int sock_listen(const char *path, unsigned int ms)
{
	struct sockaddr_un addr;
	struct pollfd p;
	int fd;

	set_path(&addr, path);
	unlink(path);
	p.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	p.events = POLLIN;
	if (bind(p.fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(p.fd, 1))
		die("%s: %s", path, strerror(errno));
	if (poll(&p, 1, ms) != 1)
		die("%s: nobody came", path);
	fd = accept(p.fd, NULL, NULL);
	close(p.fd);
	unlink(path);
	if (fd < 0)
		die("%s: accept: %s", path, strerror(errno));
	return fd;
}

int sock_connect(const char *path, unsigned int ms)
{
	uint64_t end = now_ms() + ms;
	struct sockaddr_un addr;
	int fd;

	set_path(&addr, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		if (now_ms() > end)
			die("%s: %s", path, strerror(errno));
		sleep_ms(50);
	}
	return fd;
}

void sock_send(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	ssize_t n;

	while (len) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0 && errno != EINTR)
			die("the other process has gone: %s", strerror(errno));
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
}

bool sock_recv(int fd, void *buf, size_t len, unsigned int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char *to = buf;
	ssize_t n;

	while (len) {
		if (poll(&p, 1, ms) != 1)
			return false;
		n = recv(fd, to, len, 0);
		if (n <= 0)
			return false;
		to += n;
		len -= n;
	}
	return true;
}
