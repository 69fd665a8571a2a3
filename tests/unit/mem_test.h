/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A device's memory side and one mm, for tests of driver/mem. */
#ifndef MEM_TEST_H
#define MEM_TEST_H

#include "cmocka_all.h"

#include "fake_mm.h"
#include "internal.h"

#define KB(n) ((unsigned long)(n) << 10)
#define MB(n) ((unsigned long)(n) << 20)
#define GB(n) ((unsigned long)(n) << 30)
#define TB(n) ((unsigned long)(n) << 40)

#define RW                                                                     \
	(SODP_MEM_LOCAL_WRITE | SODP_MEM_REMOTE_READ | SODP_MEM_REMOTE_WRITE | \
	 SODP_MEM_REMOTE_ATOMIC)
#define RO SODP_MEM_REMOTE_READ

struct bed {
	struct sodp_counters counters;
	struct sodp_mem *mem;
	struct sodp_mem_ctx *ctx;
	struct mm_struct *mm;
	bool exited;
};

static inline u64 count(struct bed *bed, enum sodp_counter id)
{
	return __atomic_load_n(&bed->counters.v[id], __ATOMIC_RELAXED);
}

/* A test failed half way and left something; the next would wait for it. */
static bool bed_broken;

static inline int bed_up(void **state)
{
	struct bed *bed;

	if (bed_broken)
		return 1;
	bed = calloc(1, sizeof(*bed));
	assert_int_equal(sodp_mem_init(), 0);
	bed->mem = sodp_mem_create(&bed->counters);
	bed->ctx = sodp_mem_ctx_create(bed->mem);
	bed->mm = um_create();
	current->mm = bed->mm;
	*state = bed;
	return 0;
}

/* Whatever the test did, nothing may be left. */
static inline int bed_down(void **state)
{
	struct bed *bed = *state;

	sodp_mem_ctx_destroy(bed->ctx);
	sodp_mem_destroy(bed->mem);
	current->mm = NULL;
	if (!bed->exited)
		um_exit(bed->mm);
	shim_run_works();
	if (bed->mm->count != 1) { /* exit would wait */
		print_error("something still holds the mm\n");
		bed_broken = true;
		return 1;
	}
	sodp_mem_exit();
	um_free(bed->mm);
	assert_int_equal(shim_frames_used(), 0);
	assert_int_equal(shim_module_refs, 0);
	free(bed);
	return 0;
}

static inline struct sodp_region *reg_at(struct bed *bed, u64 start, u64 length,
					 u64 iova, u32 rights,
					 enum sodp_mem_kind kind)
{
	struct sodp_region_attr attr = {
		.kind = kind,
		.start = start,
		.length = length,
		.iova = iova,
		.rights = rights,
		.domain = 1,
	};

	return sodp_region_register(bed->ctx, &attr);
}

static inline struct sodp_region *reg(struct bed *bed, u64 start, u64 length,
				      u32 rights)
{
	struct sodp_region *r =
		reg_at(bed, start, length, start, rights, SODP_MEM_ON_DEMAND);

	assert_false(IS_ERR(r));
	return r;
}

struct fault_wait {
	int done;
	enum sodp_mem_result result;
};

static inline void fault_told(void *arg, enum sodp_mem_result result)
{
	struct fault_wait *wait = arg;

	wait->result = result;
	__atomic_store_n(&wait->done, 1, __ATOMIC_SEQ_CST);
}

/* Start a fault and run it, or wait until some worker thread has. */
static inline enum sodp_mem_result resolve(struct sodp_region *r, u64 iova,
					   u64 length, bool write)
{
	struct fault_wait wait = { 0 };
	struct sodp_fault *f =
		sodp_fault_start(r, iova, length, write, fault_told, &wait);

	if (!f)
		return SODP_MEM_OK; /* again */
	while (!__atomic_load_n(&wait.done, __ATOMIC_SEQ_CST))
		if (!shim_run_one_work())
			usleep(20);
	sodp_fault_release(f);
	return wait.result;
}

/* What a transport does: copy, resolve what is missing, go on. */
static inline enum sodp_mem_result
transfer(struct sodp_region *r, u64 iova, void *buf, size_t length, bool write)
{
	enum sodp_mem_result result;
	size_t done = 0;

	for (;;) {
		u8 *at = (u8 *)buf + done;

		if (write)
			result = sodp_mem_copy_in(r, iova + done, at,
						  length - done, &done);
		else
			result = sodp_mem_copy_out(r, iova + done, at,
						   length - done, &done);
		if (result != SODP_MEM_FAULT)
			return result;
		result = resolve(r, iova + done, length - done, write);
		if (result != SODP_MEM_OK)
			return result;
	}
}

#endif
