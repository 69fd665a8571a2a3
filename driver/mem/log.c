// SPDX-License-Identifier: GPL-2.0
/*
 * The range log of one mm: which ranges are between their start and end
 * hooks now, and which ended since some fault took its sample.
 *
 * A fault may install a page only if no range that overlaps that page was
 * active at any time between its sample and the install. That is: no
 * overlapping range is active now, and none ended after the sample. (Asking
 * only for ranges that *started* since the sample would miss one that was
 * active at the sample already, over a later page of the same batch.)
 *
 * Exact for as many active ranges as there are slots. More active ones share
 * a counted hull; ended ones that lose their slot while an older sample is
 * out share another. A hull can only say yes too often, never no.
 *
 * All of it is under the fence lock of the sodp_mm, which the callers assert.
 */
#include "internal.h"

static bool overlaps(unsigned long a, unsigned long a_last, unsigned long b,
		     unsigned long b_last)
{
	return a <= b_last && b <= a_last;
}

void sodp_log_init(struct sodp_log *log)
{
	memset(log, 0, sizeof(*log));
	INIT_LIST_HEAD(&log->samples);
}

/* Would anybody still ask about a range that ended at @ended? */
static bool wanted(const struct sodp_log *log, u64 ended)
{
	const struct sodp_sample *oldest;

	if (list_empty(&log->samples))
		return false;
	oldest = list_first_entry(&log->samples, struct sodp_sample, node);
	return ended > oldest->clock;
}

static void forget_unwanted(struct sodp_log *log)
{
	struct sodp_range *r;

	for (r = log->slot; r < log->slot + log->high; r++)
		if (r->state == SODP_RANGE_ENDED && !wanted(log, r->ended))
			r->state = SODP_RANGE_FREE;
	while (log->high && log->slot[log->high - 1].state == SODP_RANGE_FREE)
		log->high--;
	if (log->past.ended && !wanted(log, log->past.ended))
		log->past.ended = 0;
}

static void fold_into_past(struct sodp_log *log, unsigned long start,
			   unsigned long last, u64 ended)
{
	if (!log->past.ended) {
		log->past.start = start;
		log->past.last = last;
	}
	log->past.start = min(log->past.start, start);
	log->past.last = max(log->past.last, last);
	log->past.ended = max(log->past.ended, ended);
}

/* A slot that is free, or made so; NULL when all are active. */
static struct sodp_range *get_slot(struct sodp_log *log)
{
	struct sodp_range *r, *oldest = NULL;

	forget_unwanted(log);
	for (r = log->slot; r < log->slot + log->high; r++) {
		if (r->state == SODP_RANGE_FREE)
			return r;
		if (r->state == SODP_RANGE_ENDED &&
		    (!oldest || r->ended < oldest->ended))
			oldest = r;
	}
	if (log->high < SODP_LOG_SLOTS)
		return &log->slot[log->high++];
	if (oldest)
		fold_into_past(log, oldest->start, oldest->last, oldest->ended);
	return oldest;
}

/* False: it went into the hull. */
bool sodp_log_begin(struct sodp_log *log, unsigned long start,
		    unsigned long last)
{
	struct sodp_range *r = get_slot(log);

	if (r) {
		r->start = start;
		r->last = last;
		r->state = SODP_RANGE_ACTIVE;
		return true;
	}
	if (!log->crowd.count) {
		log->crowd.start = start;
		log->crowd.last = last;
	}
	log->crowd.start = min(log->crowd.start, start);
	log->crowd.last = max(log->crowd.last, last);
	log->crowd.count++;
	return false;
}

/*
 * Ranges with the same bounds are interchangeable, so any of them may be the
 * one that ends, be it in a slot or in the hull.
 */
void sodp_log_end(struct sodp_log *log, unsigned long start, unsigned long last)
{
	struct sodp_range *r;

	log->clock++;
	for (r = log->slot; r < log->slot + log->high; r++) {
		if (r->state != SODP_RANGE_ACTIVE || r->start != start ||
		    r->last != last)
			continue;
		r->state = SODP_RANGE_ENDED;
		r->ended = log->clock;
		return;
	}
	if (!log->crowd.count) { /* an end without a start */
		WARN_ON_ONCE(!SODP_MUTANT(LOG_ONLY_OVERLAP));
		return;
	}
	log->crowd.count--;
	if (!list_empty(&log->samples))
		fold_into_past(log, start, last, log->clock);
}

void sodp_log_sample(struct sodp_log *log, struct sodp_sample *sample)
{
	sample->clock = log->clock;
	list_add_tail(&sample->node, &log->samples);
}

void sodp_log_unsample(struct sodp_log *log, struct sodp_sample *sample)
{
	list_del(&sample->node);
}

/* Is a range that overlaps [start, last] between its start and its end? */
bool sodp_log_active(const struct sodp_log *log, unsigned long start,
		     unsigned long last)
{
	const struct sodp_range *r;

	for (r = log->slot; r < log->slot + log->high; r++)
		if (r->state == SODP_RANGE_ACTIVE &&
		    overlaps(r->start, r->last, start, last))
			return true;
	return log->crowd.count &&
	       overlaps(log->crowd.start, log->crowd.last, start, last);
}

/* Has one been so at any time since @sample? Then do not install. */
bool sodp_log_crossed(const struct sodp_log *log,
		      const struct sodp_sample *sample, unsigned long start,
		      unsigned long last)
{
	const struct sodp_range *r;

	if (sodp_log_active(log, start, last))
		return true;
	for (r = log->slot; r < log->slot + log->high; r++)
		if (r->state == SODP_RANGE_ENDED && r->ended > sample->clock &&
		    overlaps(r->start, r->last, start, last))
			return true;
	return log->past.ended > sample->clock &&
	       overlaps(log->past.start, log->past.last, start, last);
}
