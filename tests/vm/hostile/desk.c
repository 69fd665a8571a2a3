// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "desk.h"

#include <errno.h>
#include <fcntl.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Two ways to get a context. */
static bool get_context(int fd, struct rng *r)
{
	struct ib_uverbs_ioctl_hdr method = {
		.length = sizeof(method),
		.object_id = UVERBS_OBJECT_DEVICE,
		.method_id = UVERBS_METHOD_GET_CONTEXT,
		.driver_id = RDMA_DRIVER_RXE,
	};
	struct ib_uverbs_get_context_resp resp;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_get_context cmd;
	} command = {
		.hdr = { .command = IB_USER_VERBS_CMD_GET_CONTEXT,
			 .in_words = sizeof(command) / 4,
			 .out_words = sizeof(resp) / 4 },
		.cmd = { .response = (uintptr_t)&resp },
	};

	if (one_in(r, 2))
		return !ioctl(fd, RDMA_VERBS_IOCTL, &method);
	if (write(fd, &command, sizeof(command)) != sizeof(command))
		return false;
	close(resp.async_fd);
	return true;
}

bool desk_open(struct desk *d, struct uverbs *u, struct rng *r)
{
	int fd = open(u->path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	memset(d->slots, 0, sizeof(d->slots));
	if (!get_context(fd, r)) {
		close(fd);
		return false;
	}
	d->fd = fd;
	return true;
}

void desk_close(struct desk *d)
{
	int fd = atomic_exchange(&d->fd, -1);

	for (int i = 0; i < SLOTS; i++) {
		uint32_t channel = atomic_exchange(&d->slots[A_CHANNEL][i], 0);

		if (channel)
			close((int)channel - 1);
	}
	if (fd >= 0)
		close(fd);
}

uint32_t some_handle(struct caller *c, enum object kind)
{
	struct desk *d = c->desk;

	switch (below(&c->rng, 24)) {
	case 0:
		return rnd(&c->rng);
	case 1:
		return below(&c->rng, 64);
	case 2: /* of another desk */
		d = &c->u->desks[below(&c->rng, DESKS)];
		break;
	case 3: /* of another kind */
		kind = below(&c->rng, A_CHANNEL);
		break;
	}
	for (int tries = 0; tries < 2 * SLOTS; tries++) {
		uint32_t h = d->slots[kind][below(&c->rng, SLOTS)];

		if (h)
			return h - 1;
	}
	return 0;
}

uint32_t remember(struct caller *c, enum object kind, uint32_t handle,
		  unsigned int *slot)
{
	*slot = below(&c->rng, SLOTS);
	return atomic_exchange(&c->desk->slots[kind][*slot], handle + 1);
}

uint64_t some_start(struct caller *c, uint64_t *length)
{
	const struct plot *p = &c->u->ground->plots[below(&c->rng, PLOTS)];
	struct rng *r = &c->rng;

	*length = 1 + below(r, 2 * PAGE);
	switch (below(r, 12)) {
	case 0:
		*length = rnd(r) >> below(r, 64);
		return rnd(r) >> below(r, 64);
	case 1: /* wraps */
		*length = 1 + below(r, 3 * PAGE);
		return 0 - (uint64_t)below(r, 2 * PAGE);
	case 2:
		return 0xffff888000000000 + below(r, 1 << 30);
	case 3:
		*length = one_in(r, 2) ? 0 : UINT64_MAX;
		return one_in(r, 2) ? 0 : (uintptr_t)p->mem;
	case 4:
	case 5:
		*length = 1 + below(r, WIDE_SIZE);
		return (uintptr_t)c->u->wide + below(r, PAGE);
	case 6:
		*length = 1 + rnd(r) % WIDE_SIZE;
		return (uintptr_t)c->u->none + below(r, PAGE);
	default:
		return (uintptr_t)p->map + below(r, PLOT_PAGES * PAGE);
	}
}

uint32_t some_access(struct rng *r)
{
	uint32_t access = IBV_ACCESS_LOCAL_WRITE | below(r, 16);

	if (!one_in(r, 3))
		access |= IBV_ACCESS_ON_DEMAND;
	if (one_in(r, 8))
		access ^= 1u << below(r, 32);
	return access;
}

uint32_t some_count(struct rng *r, uint32_t usual, uint32_t most)
{
	switch (below(r, 16)) {
	case 0:
		return rnd(r);
	case 1:
		return most + below(r, 3) - 1;
	case 2:
		return 0;
	default:
		return 1 + below(r, usual);
	}
}
