// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mmevents/bench.h"

static int stream_access(struct stream *s, enum ibv_wr_opcode opcode,
			 unsigned int buf_page, unsigned int page)
{
	struct rd_op op = {
		.opcode = opcode,
		.addr = (uintptr_t)s->buf + buf_page * PAGE,
		.len = PAGE,
		.lkey = s->buf_mr->lkey,
		.raddr = (uintptr_t)s->base + page * PAGE,
		.rkey = s->mr->rkey,
	};
	uint64_t start = now_ms();
	int status = rd_do(&s->peer, &op, 20 * bench.limit_ms);

	if (now_ms() - start > s->worst_ms)
		s->worst_ms = now_ms() - start;
	s->last_status = status;
	if (!status)
		return 0;
	s->errors++;
	s->silent += status < 0;
	if (!s->ends_with_error)
		rd_reconnect(&s->peer, &s->owner);
	return status;
}

static void *stream_run(void *arg)
{
	struct stream *s = arg;
	uint32_t version = 1;
	unsigned int i;

	for (; !s->stop; version++) {
		for (i = 0; i < s->pages && !s->stop; i++) {
			stamp(s->buf, i, version);
			if (stream_access(s, IBV_WR_RDMA_WRITE, 0, i)) {
				if (s->ends_with_error)
					return NULL;
				continue;
			}
			s->version[i] = version;
			__atomic_add_fetch(&s->writes, 1, __ATOMIC_RELAXED);
			if (!s->read_back ||
			    stream_access(s, IBV_WR_RDMA_READ, 1, i))
				continue;
			s->torn += !!memcmp(s->buf, s->buf + PAGE, PAGE);
		}
	}
	return NULL;
}

void stream_start(struct stream *s, const struct ibv_mr *mr, void *base,
		  unsigned int pages)
{
	/* One packet a page: a page is written as a whole or not at all. */
	struct rd_qp_opts opts = { .mtu = 4096 };

	rd_pair(&s->peer, &bench.dev, &s->owner, &bench.dev, &opts);
	s->buf = map_anon(2 * PAGE);
	s->buf_mr = rd_reg(&bench.dev, s->buf, 2 * PAGE, RD_ALL);
	s->mr = mr;
	s->base = base;
	s->pages = pages;
	if (pthread_create(&s->thread, NULL, stream_run, s))
		die("pthread_create");
}

void stream_wait(struct stream *s, unsigned int n)
{
	unsigned int from = __atomic_load_n(&s->writes, __ATOMIC_RELAXED);
	uint64_t end = now_ms() + 30 * bench.limit_ms;

	while (__atomic_load_n(&s->writes, __ATOMIC_RELAXED) - from < n) {
		if (now_ms() > end) {
			check(false, "the stream does not move");
			return;
		}
		sleep_ms(1);
	}
}

void stream_stop(struct stream *s)
{
	s->stop = true;
	pthread_join(s->thread, NULL);
	check(!s->silent, "%u accesses of the stream did not end", s->silent);
	rd_qp_destroy(&s->peer);
	rd_qp_destroy(&s->owner);
	dereg(s->buf_mr);
	munmap(s->buf, 2 * PAGE);
	tap_note("stream: %u writes, %u errors, slowest %llu ms", s->writes,
		 s->errors, (unsigned long long)s->worst_ms);
}

unsigned int stream_lost(const struct stream *s)
{
	unsigned int i, lost = 0;

	for (i = 0; i < s->pages; i++)
		if (s->version[i])
			lost += stamp_version(s->base + i * PAGE, i) !=
				s->version[i];
	return lost;
}
