// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "uffd/uffd.h"

static void *rate_run(void *arg)
{
	struct rate *r = arg;
	uint64_t start;
	int status;

	while (!r->stop) {
		start = now_ms();
		status = rd_write(&r->a, (uintptr_t)r->buf, r->mr->lkey, PAGE,
				  (uintptr_t)r->buf + PAGE, r->mr->rkey, 60000);
		if (status) {
			tap_note("unrelated QP: %s", rd_status(status));
			r->errors++;
			return NULL;
		}
		if (now_ms() - start > r->worst_ms)
			r->worst_ms = now_ms() - start;
		__atomic_add_fetch(&r->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

void rate_start(struct rate *r, struct rd_dev *dev)
{
	memset(r, 0, sizeof(*r));
	rd_pair(&r->a, dev, &r->b, dev, NULL);
	r->buf = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r->mr = rd_reg(dev, r->buf, 2 * PAGE,
		       RD_ALL | (dev->odp ? IBV_ACCESS_ON_DEMAND : 0));
	if (pthread_create(&r->thread, NULL, rate_run, r))
		die("pthread_create");
}

unsigned int rate_measure(struct rate *r, unsigned int ms)
{
	unsigned int i, from, n, best = 0;

	for (i = 0; i < 3; i++) {
		from = __atomic_load_n(&r->done, __ATOMIC_RELAXED);
		sleep_ms(ms);
		n = __atomic_load_n(&r->done, __ATOMIC_RELAXED) - from;
		if (n > best)
			best = n;
	}
	return best;
}

void rate_stop(struct rate *r)
{
	r->stop = true;
	pthread_join(r->thread, NULL);
	rd_qp_destroy(&r->a);
	rd_qp_destroy(&r->b);
	if (ibv_dereg_mr(r->mr))
		die("dereg_mr: %s", strerror(errno));
	munmap(r->buf, 2 * PAGE);
}
