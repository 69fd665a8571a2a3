/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One device, two connected QPs in one process: "owner", whose memory is on
 * demand and changes under it, and "peer", which reads and writes that memory
 * from a pinned buffer.
 */
#ifndef GUEST_MMEVENTS_H
#define GUEST_MMEVENTS_H

#include <pthread.h>

#include "case.h"
#include "pages.h"
#include "stamp.h"
#include "verbs.h"

struct bench {
	struct rd_dev dev;
	struct rd_qp peer, owner;
	uint8_t *pbuf; /* the peer's pinned buffer */
	struct ibv_mr *pmr;
	unsigned int limit_ms; /* within which every access must end */
	bool counts; /* the device has the counters */
};

#define PBUF (1UL << 20)

extern struct bench bench;

/* The device's counters now; then: at least so many more since. */
struct watch {
	uint64_t faults, handled, invalidations, invalidated;
};
void watch_start(struct watch *w);
void watch_faults(const struct watch *w, uint64_t pages);
void watch_invalidations(const struct watch *w, uint64_t pages);

/*
 * The peer accesses [at, at + len) of the owner's region, through its pinned
 * buffer from the beginning on. The status of the completion; a failure
 * reconnects the QPs. Silence is a failed check.
 */
int peer_write(const struct ibv_mr *mr, const void *at, size_t len);
int peer_read(const struct ibv_mr *mr, const void *at, size_t len);
int peer_add(const struct ibv_mr *mr, const void *at, uint64_t add,
	     uint64_t *old);

/* The peer writes this version into pages [first, first + n) of the region. */
void peer_stamp(const struct ibv_mr *mr, void *base, unsigned int first,
		unsigned int n, uint32_t version);
void cpu_stamp(void *base, unsigned int n, uint32_t version);

void *map_anon(size_t len);
struct ibv_mr *reg_odp(void *addr, size_t len);
void dereg(struct ibv_mr *mr);
/*
 * A thread that writes stamped pages into a region through QPs of its own, page
 * by page, each a version newer, and remembers what was completed.
 */
/* So many that the stream does not keep them all young. */
#define STREAM_PAGES 512

struct stream {
	struct rd_qp peer, owner;
	uint8_t *buf;
	struct ibv_mr *buf_mr;
	const struct ibv_mr *mr;
	uint8_t *base;
	unsigned int pages;
	bool read_back; /* and compare */
	bool ends_with_error; /* stop at the first error instead of going on */
	pthread_t thread;
	volatile bool stop;
	uint32_t version[STREAM_PAGES]; /* last completed */
	unsigned int writes, errors, torn, silent;
	int last_status;
	uint64_t worst_ms;
};

void stream_start(struct stream *s, const struct ibv_mr *mr, void *base,
		  unsigned int pages);
/* Waits until @n more writes were completed. */
void stream_wait(struct stream *s, unsigned int n);
void stream_stop(struct stream *s);
/* Pages whose content is not what was completed last. */
unsigned int stream_lost(const struct stream *s);

extern const struct test unmap_tests[], reclaim_tests[], fork_tests[],
	protect_tests[], bounds_tests[], race_tests[];

#endif
