// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "ground.h"

#include <errno.h>
#include <rdma/ib_user_verbs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	L = IBV_ACCESS_LOCAL_WRITE,
	W = IBV_ACCESS_REMOTE_WRITE,
	R = IBV_ACCESS_REMOTE_READ,
	A = IBV_ACCESS_REMOTE_ATOMIC,
	ODP = IBV_ACCESS_ON_DEMAND,

	SIZE = PLOT_PAGES * PAGE,
	HOLE_AT = 2 * PAGE, /* in PLOT_HOLE */
	RUN = 8, /* bytes of a secret that are no chance */
};

static const struct {
	const char *name;
	int access;
	bool changes; /* bytes of the region may */
	uint8_t fill; /* of the region: from here on ... */
	uint8_t width; /* ... so many values */
} kinds[PLOTS] = {
	[PLOT_OPEN] = { "open", L | R | W | ODP, true, 0x40, 32 },
	[PLOT_COLD] = { "cold", L | R | W | ODP, true, 0x40, 32 },
	[PLOT_PINNED] = { "pinned", L | R | W, true, 0x40, 32 },
	[PLOT_READ] = { "read-only", R | ODP, false, 0x40, 32 },
	[PLOT_WRITE] = { "write-only", L | W | ODP, true, 0xe0, 16 },
	[PLOT_ATOMIC] = { "atomic", L | A | ODP, true, 0xe0, 16 },
	[PLOT_SOURCE] = { "source", ODP, false, 0x40, 32 },
	[PLOT_SINK] = { "sink", L | ODP, true, 0x40, 32 },
	[PLOT_FOREIGN] = { "foreign", L | R | W | ODP, false, 0xe0, 16 },
	[PLOT_STALE] = { "stale", L | R | W, false, 0xe0, 16 },
	[PLOT_HOLE] = { "hole", L | R | W | ODP, true, 0x40, 32 },
	[PLOT_RDONLY] = { "read-only memory", L | R | W | ODP, false, 0x40,
			  32 },
};

static bool in_region(size_t at)
{
	return at - PLOT_BEGIN < PLOT_LEN;
}

static bool in_hole(enum plot_id id, size_t at)
{
	return id == PLOT_HOLE && at - HOLE_AT < PAGE;
}

static void fill_plot(uint8_t *bytes, enum plot_id id)
{
	for (size_t at = 0; at < SIZE; at++)
		bytes[at] = in_region(at) ?
				    kinds[id].fill + at % kinds[id].width :
				    0xf0 + at % 16;
}

/* A file's pages, so that they can be taken from us and are still the same. */
static uint8_t *map_plot(const uint8_t *neat)
{
	int fd = memfd_create("plot", MFD_CLOEXEC);
	void *map;

	if (fd < 0 || pwrite(fd, neat, SIZE, 0) != SIZE)
		die("memfd: %s", strerror(errno));
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	close(fd);
	return map;
}

static void open_plot(struct ground *g, enum plot_id id, size_t more)
{
	struct plot *p = &g->plots[id];
	struct ibv_pd *pd = id == PLOT_FOREIGN ? g->other_pd : g->dev->pd;

	fill_plot(g->neat + id * SIZE, id);
	p->map = map_plot(g->neat + id * SIZE);
	p->mem = p->map + PLOT_BEGIN;
	if (id == PLOT_HOLE && munmap(p->map + HOLE_AT, PAGE))
		die("munmap: %s", strerror(errno));
	if (id == PLOT_RDONLY && mprotect(p->map, SIZE, PROT_READ))
		die("mprotect: %s", strerror(errno));
	/* Called so that the macro of verbs.h does not rewrite it. */
	p->mr = (ibv_reg_mr)(pd, p->mem, PLOT_LEN + more, kinds[id].access);
	if (!p->mr)
		die("register the plot '%s': %s", kinds[id].name,
		    strerror(errno));
	p->key = p->mr->rkey;
	if (id == PLOT_STALE) {
		ibv_dereg_mr(p->mr);
		p->mr = NULL;
	}
}

/* The region goes elsewhere, and has another key there. */
static void move_region(struct ibv_mr *mr, void *to)
{
	struct ib_uverbs_rereg_mr_resp resp;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_rereg_mr cmd;
	} rereg = {
		.hdr = { .command = IB_USER_VERBS_CMD_REREG_MR,
			 .in_words = sizeof(rereg) / 4,
			 .out_words = sizeof(resp) / 4 },
		.cmd = { .response = (uintptr_t)&resp,
			 .mr_handle = mr->handle,
			 .flags = IBV_REREG_MR_CHANGE_TRANSLATION,
			 .start = (uintptr_t)to,
			 .length = PLOT_LEN,
			 .hca_va = (uintptr_t)to },
	};

	if (write(mr->context->cmd_fd, &rereg, sizeof(rereg)) != sizeof(rereg))
		die("rereg_mr: %s", strerror(errno));
}

/* Right after its end a key is of most interest. */
static void end_another(struct ground *g, bool move)
{
	struct plot *p = &g->plots[PLOT_STALE];
	struct ibv_mr *mr =
		rd_reg(g->dev, p->mem, PLOT_LEN, kinds[PLOT_STALE].access);

	p->key = mr->rkey;
	if (move)
		move_region(mr, g->plots[PLOT_OPEN].mem);
	if (ibv_dereg_mr(mr))
		die("deregister: %s", strerror(errno));
}

void ground_open(struct ground *g, struct rd_dev *dev, bool strict, bool lie)
{
	*g = (struct ground){ .dev = dev, .strict = strict };
	g->neat = calloc(PLOTS, SIZE);
	g->other_pd = ibv_alloc_pd(dev->ctx);
	if (!g->neat || !g->other_pd)
		die("another protection domain: %s", strerror(errno));
	for (int id = 0; id < PLOTS; id++)
		open_plot(g, id, lie ? PLOT_LIE : 0);
}

void ground_close(struct ground *g)
{
	for (int id = 0; id < PLOTS; id++) {
		if (g->plots[id].mr && ibv_dereg_mr(g->plots[id].mr))
			die("deregister: %s", strerror(errno));
		munmap(g->plots[id].map, SIZE);
	}
	if (ibv_dealloc_pd(g->other_pd))
		die("dealloc_pd: %s", strerror(errno));
	free(g->neat);
}

/* --- the judge --- */

/* May this byte be here, where anybody may have written? */
static bool may_be(const struct ground *g, enum plot_id id, size_t at)
{
	const uint8_t *map = g->plots[id].map;
	size_t run;

	if (g->strict && id != PLOT_ATOMIC)
		return map[at] - 0x40u < 32 ||
		       map[at] == g->neat[id * SIZE + at];
	/* Anything but what is nobody's, and that can be chance. */
	for (run = 0; run < RUN && in_region(at + run) && map[at + run] >= 0xf0;
	     run++)
		if (run && map[at + run] != 0xf0 + (map[at + run - 1] + 1) % 16)
			break;
	return run < RUN;
}

static void check_plot(const struct ground *g, enum plot_id id)
{
	const uint8_t *neat = g->neat + id * SIZE, *map = g->plots[id].map;
	const char *name = kinds[id].name;

	for (size_t at = 0; at < SIZE; at++) {
		if (in_hole(id, at)) {
			at = HOLE_AT + PAGE - 1;
		} else if (!in_region(at) && map[at] != neat[at]) {
			accuse("beside the region '%s': byte %zd was written "
			       "(%#x)",
			       name, (ssize_t)(at - PLOT_BEGIN), map[at]);
			return;
		} else if (in_region(at) && !kinds[id].changes &&
			   map[at] != neat[at]) {
			accuse("region '%s': byte %zd was written (%#x)", name,
			       at - PLOT_BEGIN, map[at]);
			return;
		} else if (in_region(at) && kinds[id].changes &&
			   !may_be(g, id, at)) {
			accuse("region '%s': byte %zd is %#x, which nobody "
			       "sent",
			       name, at - PLOT_BEGIN, map[at]);
			return;
		}
	}
}

void ground_check(struct ground *g)
{
	for (int id = 0; id < PLOTS; id++)
		check_plot(g, id);
	board->checks++;
}

void ground_shake(struct ground *g, struct rng *r)
{
	static const enum plot_id some[] = { PLOT_COLD, PLOT_COLD, PLOT_SINK,
					     PLOT_ATOMIC, PLOT_HOLE };
	enum plot_id id = some[below(r, ARRAY_SIZE(some))];
	size_t first = below(r, PLOT_PAGES) * PAGE;

	if (one_in(r, 4))
		end_another(g, one_in(r, 2));
	else if (!in_hole(id, first) &&
		 madvise(g->plots[id].map + first, PAGE, MADV_DONTNEED))
		die("MADV_DONTNEED: %s", strerror(errno));
}
