// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Random sequences against a trivially right model: a flat array of bytes and
 * the rights of each VMA. Whatever the owner does to the mm, what the device
 * reads and writes is what the array says.
 */
#include "mem_test.h"

#define BASE	  0x40000000UL
#define VMAS	  6
#define VMA_PAGES 24
#define VMA_SIZE  (VMA_PAGES * PAGE_SIZE)
#define SPAN	  (VMAS * VMA_SIZE)
#define STEPS	  8000

static struct model {
	u8 bytes[SPAN];
	bool mapped[VMAS], readable[VMAS], writable[VMAS];
} model;

static struct bed *bed;
static struct sodp_region *region;
static u64 region_start, region_iova;

static unsigned long at(u64 offset)
{
	return BASE + offset;
}

/* How many bytes of [offset, offset + length) can be had, from the first on. */
static size_t allowed_bytes(u64 offset, size_t length, bool write)
{
	size_t n = 0;

	while (n < length) {
		unsigned int v = (offset + n) / VMA_SIZE;

		if (!model.mapped[v] ||
		    !(write ? model.writable[v] : model.readable[v]))
			break;
		n = min(length, (v + 1) * VMA_SIZE - offset);
	}
	return n;
}

static void random_piece(u64 *offset, size_t *length)
{
	static const size_t sizes[] = { 1, 8, 511, 4096, 4097, 20000, 70000 };
	u64 room;

	*offset = region_start + rand() % (SPAN - region_start);
	room = SPAN - *offset;
	*length = min(room, (u64)sizes[rand() % ARRAY_SIZE(sizes)]);
}

static void same(const char *who, u64 offset, const u8 *buf, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (buf[i] != model.bytes[offset + i])
			fail_msg("%s sees %02x, not %02x, at page %llu + %llu",
				 who, buf[i], model.bytes[offset + i],
				 (offset + i) / PAGE_SIZE,
				 (offset + i) % PAGE_SIZE);
}

static void device_access(bool write)
{
	static u8 buf[SPAN];
	u64 offset, iova;
	size_t length, ok, i, done = 0;
	enum sodp_mem_result result = SODP_MEM_FAULT;

	random_piece(&offset, &length);
	iova = region_iova + (offset - region_start);
	ok = allowed_bytes(offset, length, write);
	for (i = 0; i < length; i++)
		buf[i] = write ? rand() : 0xee;

	/* As transfer(), but counting. */
	while (result == SODP_MEM_FAULT) {
		result = write ? sodp_mem_copy_in(region, iova + done,
						  buf + done, length - done,
						  &done) :
				 sodp_mem_copy_out(region, iova + done,
						   buf + done, length - done,
						   &done);
		if (result == SODP_MEM_FAULT) {
			result = resolve(region, iova + done, length - done,
					 write);
			if (result == SODP_MEM_OK)
				result = SODP_MEM_FAULT;
		}
	}
	assert_int_equal(result, ok == length ? SODP_MEM_OK : SODP_MEM_ACCESS);
	assert_int_equal(done, ok);
	if (write)
		memcpy(model.bytes + offset, buf, done);
	else
		same("the device", offset, buf, done);
}

static void device_atomic(void)
{
	u64 offset = (region_start + rand() % (SPAN - region_start - 8)) & ~7UL;
	u64 word, orig = 0, add = rand();
	enum sodp_mem_result result = SODP_MEM_FAULT;
	u64 iova;

	if (offset < region_start)
		return;
	iova = region_iova + (offset - region_start);
	if (iova & 7)
		return;
	while (result == SODP_MEM_FAULT) {
		result = sodp_mem_atomic(region, iova, SODP_MEM_FETCH_ADD, 0,
					 add, &orig);
		if (result == SODP_MEM_FAULT &&
		    resolve(region, iova, 8, true) != SODP_MEM_OK)
			result = SODP_MEM_ACCESS;
	}
	if (allowed_bytes(offset, 8, true) != 8) {
		assert_int_equal(result, SODP_MEM_ACCESS);
		return;
	}
	memcpy(&word, model.bytes + offset, 8);
	assert_int_equal(orig, word);
	word += add;
	memcpy(model.bytes + offset, &word, 8);
}

static void cpu_access(bool write)
{
	static u8 buf[SPAN];
	u64 offset;
	size_t length, ok, i;

	random_piece(&offset, &length);
	ok = allowed_bytes(offset, length, write);
	if (!ok)
		return;
	for (i = 0; i < ok; i++)
		buf[i] = rand();
	if (write) {
		assert_true(um_write(bed->mm, at(offset), buf, ok));
		memcpy(model.bytes + offset, buf, ok);
	} else {
		assert_true(um_read(bed->mm, at(offset), buf, ok));
		same("the CPU", offset, buf, ok);
	}
}

static void change_vma(void)
{
	unsigned int v = rand() % VMAS;
	unsigned long start = at(v * VMA_SIZE);

	if (!model.mapped[v]) {
		um_map(bed->mm, start, VMA_SIZE, true, true);
		model.mapped[v] = model.readable[v] = model.writable[v] = true;
		memset(model.bytes + v * VMA_SIZE, 0, VMA_SIZE);
	} else if (rand() % 3 == 0) {
		um_unmap(bed->mm, start);
		model.mapped[v] = false;
	} else {
		model.writable[v] = rand() % 3;
		model.readable[v] = model.writable[v] || rand() % 2;
		um_protect(bed->mm, start, model.readable[v],
			   model.writable[v]);
	}
}

static void change_pages(void)
{
	u64 first = rand() % (SPAN / PAGE_SIZE);
	u64 n = min(SPAN / PAGE_SIZE - first, (u64)(1 + rand() % 40));
	unsigned long start = at(first * PAGE_SIZE);
	unsigned long end = start + n * PAGE_SIZE;

	switch (rand() % 6) {
	case 0:
		um_drop(bed->mm, start, end);
		memset(model.bytes + first * PAGE_SIZE, 0, n * PAGE_SIZE);
		break;
	case 1:
		um_clean(bed->mm, start, end);
		break;
	case 2:
		um_reclaim(bed->mm, start, end);
		break;
	case 3:
		um_move(bed->mm, start, end);
		break;
	case 4:
		um_fork(bed->mm);
		break;
	case 5:
		um_start(bed->mm, start + 5, end - 7, rand() % 2);
		um_end(bed->mm, start + 5, end - 7);
		break;
	}
}

static void make_region(void)
{
	region_start = rand() % (3 * PAGE_SIZE);
	region_iova = ((u64)rand() << 12) + (region_start & ~PAGE_MASK);
	region = reg_at(bed, at(region_start), SPAN - region_start, region_iova,
			RW, SODP_MEM_ON_DEMAND);
	assert_false(IS_ERR(region));
}

static void random_sequence(void **state)
{
	int step;

	bed = *state;
	memset(&model, 0, sizeof(model));
	make_region();
	for (step = 0; step < STEPS; step++) {
		switch (rand() % 16) {
		case 0 ... 3:
			device_access(true);
			break;
		case 4 ... 7:
			device_access(false);
			break;
		case 8:
			device_atomic();
			break;
		case 9 ... 10:
			cpu_access(rand() % 2);
			break;
		case 11 ... 14:
			change_pages();
			break;
		case 15:
			change_vma();
			break;
		}
		if (step % 1000)
			continue;
		sodp_region_deregister(region);
		shim_run_works();
		make_region();
	}
	sodp_region_deregister(region);
}

static void test_seed_1(void **state)
{
	srand(1);
	random_sequence(state);
}

static void test_seed_2(void **state)
{
	srand(2);
	random_sequence(state);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bed_up, bed_down)
	const struct CMUnitTest tests[] = {
		T(test_seed_1),
		T(test_seed_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
