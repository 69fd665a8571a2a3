// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Pages that live in another device's memory, where the CPU cannot reach them,
 * or that another device has for itself: the kernel's own test device.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guestsys.h"

#define DEVICE "/dev/hmm_dmirror0"

/* What its ioctls take: lib/test_hmm_uapi.h of the kernel is not installed. */
struct mirror_call {
	uint64_t addr, ptr, npages, cpages, faults;
};
#define MIRROR_MIGRATE	 _IOWR('H', 0x02, struct mirror_call)
#define MIRROR_EXCLUSIVE _IOWR('H', 0x05, struct mirror_call)

static int mirror;
static _Atomic unsigned int migrated, exclusive;

static const char *hmm_missing(void)
{
	if (access(DEVICE, F_OK))
		command("modprobe test_hmm");
	return access(DEVICE, F_OK) ?
		       "a kernel without CONFIG_TEST_HMM and DEVICE_PRIVATE" :
		       NULL;
}

static unsigned int pages_of(unsigned long what, const struct range *g)
{
	static uint8_t content[16 * PAGE];
	struct mirror_call call = { .addr = (uintptr_t)g->at,
				    .ptr = (uintptr_t)content,
				    .npages = g->n };

	return ioctl(mirror, what, &call) ? 0 : call.cpages;
}

static bool migrate(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int n = pages_of(MIRROR_MIGRATE, g);

	(void)f;
	(void)rng;
	migrated += n;
	return n;
}

static bool take(struct field *f, const struct range *g, struct rng *rng)
{
	unsigned int n = pages_of(MIRROR_EXCLUSIVE, g);

	(void)f;
	(void)rng;
	exclusive += n;
	return n;
}

static void hmm_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "to the device", .fn = migrate, .flags = EV_ALONE },
		{ .name = "for the device", .fn = take, .flags = EV_ALONE },
		{}
	};
	struct field *f = field_anon(r, 128);

	memset(page_at(f, 0), 0, 128 * PAGE);
	mirror = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (mirror < 0)
		die(DEVICE ": %s", strerror(errno));
	run_events(r, f, events);
	close(mirror);
	tap_note("%s: %u pages went to the device, %u were its own",
		 r->sc->name, migrated, exclusive);
	if (!failed(r) && (!migrated || !exclusive))
		fail(r, "pages did not go to the device");
}

SCENARIO(hmm) = {
	.name = "device-private",
	.rows = "41",
	.what = "pages that another device has come back for a peer's access",
	.missing = hmm_missing,
	.run = hmm_run,
	.hooks = MIGRATE | EXCLUSIVE,
};
