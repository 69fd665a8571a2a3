// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Migration by post-copy, in small: memory is registered and a peer reads from
 * it before its pages have come. A page that is missed is fetched by a
 * userfaultfd handler, here out of another mapping that stands for the host
 * where it was; the others follow in the background.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "common.h"

enum {
	PAGES = 256,
	PAGE = 4096
};

struct migration {
	char *here, *there;
	int uffd;
	_Atomic unsigned int wanted, sent;
	_Atomic bool end;
};

static uint64_t word_of(size_t i)
{
	return i * 0x9e3779b97f4a7c15 + 1;
}

/* False: it is here already. */
static bool copy_page(struct migration *m, size_t page)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)m->here + page * PAGE,
		.src = (uintptr_t)m->there + page * PAGE,
		.len = PAGE,
	};

	return !ioctl(m->uffd, UFFDIO_COPY, &copy);
}

/* What is missed goes first. */
static void *serve(void *arg)
{
	struct migration *m = arg;
	struct pollfd ready = { .fd = m->uffd, .events = POLLIN };
	struct uffd_msg msg;
	size_t next = PAGES; /* the background, from the end */

	while (!atomic_load(&m->end)) {
		if (poll(&ready, 1, 2) == 1 &&
		    read(m->uffd, &msg, sizeof(msg)) == sizeof(msg))
			m->wanted += copy_page(m, (msg.arg.pagefault.address -
						   (uintptr_t)m->here) /
							  PAGE);
		if (next)
			m->sent += copy_page(m, --next);
	}
	return NULL;
}

static void begin(struct migration *m)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *both = mmap(NULL, 2 * PAGES * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (both == MAP_FAILED)
		err(1, "mmap");
	*m = (struct migration){ .here = both, .there = both + PAGES * PAGE };
	for (size_t i = 0; i < PAGES * PAGE / 8; i++)
		((uint64_t *)m->there)[i] = word_of(i);
	/* The device faults from the kernel: UFFD_USER_MODE_ONLY is no good. */
	m->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	reg.range.start = (uintptr_t)m->here;
	reg.range.len = PAGES * PAGE;
	if (m->uffd < 0 || ioctl(m->uffd, UFFDIO_API, &api) ||
	    ioctl(m->uffd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd (needs CAP_SYS_PTRACE)");
}

static int own(struct ex_end *end)
{
	struct ex_memory memory = { .length = PAGES * PAGE };
	struct migration m;
	pthread_t server;
	struct ibv_mr *mr;

	begin(&m);
	mr = softodp_reg_mr(end->pd, m.here, PAGES * PAGE,
			    IBV_ACCESS_REMOTE_READ, SOFTODP_REG_NO_PIN, NULL);
	if (!mr || pthread_create(&server, NULL, serve, &m))
		err(1, "softodp_reg_mr");
	memory.address = (uintptr_t)m.here;
	memory.rkey = mr->rkey;
	ex_send(end->sock, &memory, sizeof(memory));
	ex_sync(end); /* the peer has read all of it */
	atomic_store(&m.end, true);
	pthread_join(server, NULL);
	printf("%u pages came because they were missed, %u in the background\n",
	       m.wanted, m.sent);
	ibv_dereg_mr(mr);
	close(m.uffd);
	return !m.wanted;
}

static int read_all(struct ex_end *end)
{
	static uint64_t words[PAGES * PAGE / 8];
	struct ibv_mr *mr = softodp_reg_mr(end->pd, words, sizeof(words),
					   IBV_ACCESS_LOCAL_WRITE, 0, NULL);
	enum ibv_wc_status status = IBV_WC_SUCCESS;
	struct ex_memory memory;
	size_t at, bad = 0;

	if (!mr)
		err(1, "softodp_reg_mr");
	ex_recv(end->sock, &memory, sizeof(memory));
	for (at = 0; at < sizeof(words) && status == IBV_WC_SUCCESS; at += PAGE)
		status = ex_rdma(end, IBV_WR_RDMA_READ, mr, (char *)words + at,
				 PAGE, memory.address + at, memory.rkey);
	for (size_t i = 0; i < sizeof(words) / 8; i++)
		bad += words[i] != word_of(i);
	printf("READ: %s, %zu words wrong\n", ibv_wc_status_str(status), bad);
	fflush(stdout);
	ex_sync(end);
	ibv_dereg_mr(mr);
	return status != IBV_WC_SUCCESS || bad;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, own, read_all);
}
