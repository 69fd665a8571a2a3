// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory of the poster that takes its time: a userfaultfd handler sleeps. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "reliability/reliability.h"

struct slow {
	int fd;
	void *page; /* one page that comes after @ms */
	unsigned int ms;
	pthread_t thread;
};

static void *slow_handler(void *arg)
{
	static uint8_t content[PAGE] __attribute__((aligned(PAGE)));
	struct slow *slow = arg;
	struct uffd_msg msg;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)slow->page,
		.src = (uintptr_t)content,
		.len = PAGE,
	};
	struct pollfd poll_fd = { .fd = slow->fd, .events = POLLIN };

	fill(content, PAGE, 77);
	if (poll(&poll_fd, 1, 10000) != 1 ||
	    read(slow->fd, &msg, sizeof(msg)) != sizeof(msg))
		return NULL;
	sleep_ms(slow->ms);
	ioctl(slow->fd, UFFDIO_COPY, &copy);
	return arg;
}

static void slow_create(struct slow *slow, void *page, unsigned int ms)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	slow->page = page;
	slow->ms = ms;
	slow->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (slow->fd < 0 || ioctl(slow->fd, UFFDIO_API, &api) ||
	    ioctl(slow->fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd: %s", strerror(errno));
	if (pthread_create(&slow->thread, NULL, slow_handler, slow))
		die("pthread_create");
}

/* True: the fault came. */
static bool slow_destroy(struct slow *slow)
{
	void *came;

	pthread_join(slow->thread, &came);
	close(slow->fd);
	return came;
}

/*
 * The second page is slow. What was posted before completes meanwhile, and no
 * retry is spent, although the peer hears nothing for ten time-outs.
 */
static void slow_memory(const char *name, enum ibv_wr_opcode opcode)
{
	struct rd_qp_opts o = { .timeout = 12, .retry = 1 };
	uint64_t before = counter(dev.name, "req_timeouts");
	struct rules r = { 0 };
	struct slow slow;
	struct rd_op op;
	uint64_t start;
	bool ok, early;

	area_create(&r.area, true);
	rd_pair(&r.a, &dev, &r.b, &dev, &o);
	memset(r.area.local, 1, PAGE);
	slow_create(&slow, r.area.local + PAGE, 400);
	fill(r.area.remote, 3 * PAGE, 5);
	start = now_ms();
	for (int i = 1; i >= 0; i--) {
		op = rules_op(&r, i ? IBV_WR_RDMA_WRITE : opcode,
			      i ? 6000 : 3 * PAGE, i);
		rd_post(&r.a, &op);
	}
	ok = next_is(&r, 1, IBV_WC_SUCCESS);
	early = now_ms() - start < 350;
	ok = ok && next_is(&r, 0, IBV_WC_SUCCESS) && now_ms() - start >= 400;
	ok = slow_destroy(&slow) && ok &&
	     !memcmp(r.area.local, r.area.remote, 3 * PAGE);
	tap_result(ok && early && counter(dev.name, "req_timeouts") == before,
		   "slow memory: %s", name);
	rules_end(&r);
}

void test_slow_memory(void)
{
	slow_memory("a source", IBV_WR_RDMA_WRITE);
	slow_memory("a sink", IBV_WR_RDMA_READ);
}
