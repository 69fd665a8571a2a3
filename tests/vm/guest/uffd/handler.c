// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uffd/uffd.h"

static void supply(struct handler *h, uint64_t addr)
{
	static uint8_t page[PAGE] __attribute__((aligned(PAGE)));
	unsigned int n = (addr - (uintptr_t)h->base) / PAGE;
	struct uffdio_copy copy = {
		.dst = addr & ~(PAGE - 1),
		.src = (uintptr_t)page,
		.len = PAGE,
	};

	if (h->slow_every && !(n % h->slow_every)) {
		h->sleeping = true;
		h->slept++;
		sleep_ms(h->slow_ms);
		h->sleeping = false;
	}
	stamp(page, n, 1);
	if (ioctl(h->fd, UFFDIO_COPY, &copy) && errno != EEXIST)
		die("UFFDIO_COPY: %s", strerror(errno));
	h->served++;
}

static void *handle(void *arg)
{
	struct handler *h = arg;
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	struct uffd_msg msg;

	while (!h->stop) {
		if (poll(&p, 1, 50) != 1)
			continue;
		if (read(h->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		if (msg.event == UFFD_EVENT_PAGEFAULT)
			supply(h, msg.arg.pagefault.address);
	}
	return NULL;
}

bool handler_start(struct handler *h, unsigned int pages, bool dead)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	h->pages = pages;
	h->base = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h->base == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	madvise(h->base, pages * PAGE, MADV_NOHUGEPAGE);
	h->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (h->fd < 0 || ioctl(h->fd, UFFDIO_API, &api))
		return false;
	reg.range.start = (uintptr_t)h->base;
	reg.range.len = pages * PAGE;
	if (ioctl(h->fd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER: %s", strerror(errno));
	if (!dead && pthread_create(&h->thread, NULL, handle, h))
		die("pthread_create");
	return true;
}

void handler_stop(struct handler *h)
{
	h->stop = true;
	pthread_join(h->thread, NULL);
	close(h->fd);
	munmap(h->base, h->pages * PAGE);
}
