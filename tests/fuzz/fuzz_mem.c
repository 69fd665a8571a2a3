// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Bytes as a sequence of registrations, accesses, faults, invalidations and
 * trouble over driver/mem and a made-up mm: tests/unit/mem_model.h. Whatever
 * the sequence, what the device sees is what a flat array says, each entry is
 * what the page table says, and nothing is left at the end.
 */
#include "fuzz.h"
#include "mem_model.h"

#define MAX_STEPS 200

static struct fuzz_bytes bytes;
static unsigned long runs, steps, events[SODP_CNT_NUM];
/* How much of each happened, roughly. */
FUZZ_COUNTERS(kinds, SODP_CNT_NUM);

static unsigned int from_bytes(unsigned int n)
{
	return fuzz_below(&bytes, n);
}

static __attribute__((constructor)) void abort_on_failure(void)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bed *bed = NULL;
	int step, i;

	bytes = (struct fuzz_bytes){ data, data + size };
	bed_up((void **)&bed);
	mem_model_start(bed, from_bytes);
	for (step = 0; step < MAX_STEPS && bytes.at < bytes.end; step++)
		mem_model_step();
	mem_model_end();
	for (i = 0; i < SODP_CNT_NUM; i++) {
		events[i] += count(bed, i);
		kinds[i] = (uint8_t)min((u64)255, count(bed, i));
	}
	runs++;
	steps += step;
	MUST(!bed_down((void **)&bed));
	return 0;
}

/* Noise is a good start here: every byte string is a sequence. */
size_t fuzz_seed(unsigned int i, uint8_t *out, size_t max)
{
	uint32_t x = i + 1;
	size_t n;

	if (i >= 8 || max < 512)
		return 0;
	for (n = 0; n < 512; n++) {
		x = x * 1664525 + 1013904223;
		out[n] = (uint8_t)(x >> 24);
	}
	return n;
}

void fuzz_summary(void)
{
	printf("%lu runs, %lu steps, %lu faults, %lu retried, %lu hooks over a region, %lu pages\n",
	       runs, steps, events[SODP_CNT_PAGE_FAULTS],
	       events[SODP_CNT_PAGE_FAULTS_RETRIED],
	       events[SODP_CNT_PAGE_INVALIDATIONS],
	       events[SODP_CNT_PAGE_INVALIDATIONS_HANDLED]);
	MUST(events[SODP_CNT_PAGE_FAULTS_HANDLED] &&
	     events[SODP_CNT_PAGE_INVALIDATIONS_HANDLED]);
}
