// SPDX-License-Identifier: GPL-2.0
/*
 * A side that waits for a fault. It keeps running for everything that the
 * fault does not hold up; the fault's end only leaves its result and kicks.
 */
#include "xport.h"

/* Without memory for a fault: how long until the access is tried again. */
#define RETRY_DELAY (HZ / 50 ? HZ / 50 : 1)

/* From the fault workqueue, under the fault's lock. */
static void fault_done(void *arg, enum sodp_mem_result result)
{
	struct sodp_park *park = arg;
	struct sodp_side *side = READ_ONCE(park->side);

	/* Pairs with the acquire in done(). */
	smp_store_release(&park->result, (int)result + 1);
	sodp_side_kick(side);
}

static int done(const struct sodp_park *park)
{
	return smp_load_acquire(&park->result); /* pairs with fault_done() */
}

void sodp_park_start(struct sodp_park *park, struct sodp_side *side,
		     struct sodp_miss *miss)
{
	WARN_ON_ONCE(park->fault || park->retry);

	park->side = side;
	park->since = jiffies;
	park->result = 0;
	park->fault = sodp_fault_start(miss->region, miss->iova, miss->length,
				       miss->write, fault_done, park);
	if (!park->fault) {
		park->retry = true;
		sodp_side_kick_later(side, RETRY_DELAY);
	}
	sodp_region_put(miss->region);
	miss->region = NULL;
}

bool sodp_park_waiting(const struct sodp_park *park)
{
	if (park->retry)
		return time_before(jiffies, park->since + RETRY_DELAY);
	return park->fault && !done(park);
}

bool sodp_park_finish(struct sodp_park *park, enum sodp_mem_result *result)
{
	if (!park->fault && !park->retry)
		return false;
	if (sodp_park_waiting(park)) {
		/* A kick for something else may have used up this one's. */
		if (park->retry)
			sodp_side_kick_later(park->side, RETRY_DELAY);
		return false;
	}
	/* Without a fault there was nothing that could have failed. */
	*result = park->retry ? SODP_MEM_OK :
				(enum sodp_mem_result)(done(park) - 1);
	sodp_park_abandon(park);
	return true;
}

void sodp_park_abandon(struct sodp_park *park)
{
	if (park->fault)
		sodp_fault_release(park->fault);
	park->fault = NULL;
	park->retry = false;
	park->result = 0;
}
