// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Windows: what their keys reach, for whom and how long; and that who ends one
 * waits for those who are at it.
 */
#include "mem_test.h"

#define BASE	  MB(16)
#define LEN	  (4 * PAGE_SIZE)
#define NEXT(key) (((key) & ~0xffU) | (((key) + 1) & 0xff))
#define WIN_RO	  SODP_MEM_REMOTE_READ
#define WIN_RW	  (SODP_MEM_REMOTE_READ | SODP_MEM_REMOTE_WRITE)

static struct sodp_window_user us, them;
static struct bed *the_bed;
static struct sodp_region *region;

static struct sodp_region *bindable(u32 rights)
{
	return reg(the_bed, BASE, LEN, rights | SODP_MEM_BIND);
}

static void setup(void **state, u32 rights)
{
	the_bed = *state;
	um_map(the_bed->mm, BASE, LEN, true, true);
	sodp_window_user_init(&us);
	sodp_window_user_init(&them);
	region = bindable(rights);
}

static void teardown(void)
{
	sodp_window_user_end(the_bed->mem, &us);
	sodp_window_user_end(the_bed->mem, &them);
	assert_true(sodp_region_retire(region));
	sodp_region_deregister(region);
}

static struct sodp_window *make(enum sodp_window_type type)
{
	struct sodp_window *w = sodp_window_alloc(the_bed->mem, 1, type);

	assert_false(IS_ERR(w));
	return w;
}

/* To [iova, iova + length) of the region; 0 or an errno. */
static int bind_as(struct sodp_window_user *user, struct sodp_window *w,
		   u64 iova, u64 length, u32 rights, bool zero_based)
{
	const struct sodp_window_bind bind = {
		.key = sodp_window_key(w),
		.new_key = NEXT(sodp_window_key(w)),
		.region_key = sodp_region_key(region),
		.iova = iova,
		.length = length,
		.rights = rights,
		.zero_based = zero_based,
	};

	return sodp_window_bind(the_bed->mem, 1, user, &bind);
}

static int bind(struct sodp_window *w, u64 iova, u64 length, u32 rights)
{
	return bind_as(&us, w, iova, length, rights, false);
}

/* As for a side of a queue pair, which has one for as long as its pass lasts. */
static __thread struct sodp_region *used;

static void end_pass(void)
{
	if (used)
		sodp_region_put(used);
	used = NULL;
}

static void end(struct sodp_remote *remote)
{
	sodp_remote_end(remote);
	end_pass();
}

static enum sodp_mem_result get(const struct sodp_window_user *user, u32 key,
				u32 need, u64 iova, u64 length,
				struct sodp_remote *remote)
{
	const struct sodp_access access = {
		.key = key,
		.domain = 1,
		.need = need,
		.user = user,
		.iova = iova,
		.length = length,
	};
	enum sodp_mem_result result;

	result = sodp_remote_get(the_bed->mem, &access, &used, remote);
	if (result != SODP_MEM_OK)
		end_pass();
	return result;
}

static enum sodp_mem_result look_as(const struct sodp_window_user *user,
				    u32 key, u32 need, u64 iova, u64 length)
{
	struct sodp_remote remote;
	enum sodp_mem_result result;

	local_bh_disable();
	result = get(user, key, need, iova, length, &remote);
	if (result == SODP_MEM_OK)
		end(&remote);
	local_bh_enable();
	return result;
}

static enum sodp_mem_result look(struct sodp_window *w, u32 need, u64 iova,
				 u64 length)
{
	return look_as(&us, sodp_window_key(w), need, iova, length);
}

static void test_bounds(void **state)
{
	const u64 at = BASE + 100, length = PAGE_SIZE;
	struct sodp_window *w;
	int type;

	setup(state, RW);
	for (type = SODP_WINDOW_1; type <= SODP_WINDOW_2; type++) {
		w = make(type);
		assert_int_equal(look(w, WIN_RO, at, 1), SODP_MEM_ACCESS);
		assert_int_equal(bind(w, at, length, WIN_RO), 0);
		assert_int_equal(look(w, WIN_RO, at, length), SODP_MEM_OK);
		assert_int_equal(look(w, WIN_RO, at + length - 1, 1),
				 SODP_MEM_OK);
		assert_int_equal(look(w, WIN_RO, at, length + 1),
				 SODP_MEM_BOUNDS);
		assert_int_equal(look(w, WIN_RO, at + length, 1),
				 SODP_MEM_BOUNDS);
		assert_int_equal(look(w, WIN_RO, at - 1, 1), SODP_MEM_BOUNDS);
		assert_int_equal(look(w, WIN_RO, at - 1, 2), SODP_MEM_BOUNDS);
		assert_int_equal(look(w, WIN_RO, at + 1, U64_MAX),
				 SODP_MEM_BOUNDS);
		assert_int_equal(look(w, WIN_RO, 0, 0), SODP_MEM_OK);
		assert_int_equal(look(w, SODP_MEM_REMOTE_WRITE, at, 1),
				 SODP_MEM_ACCESS);
		assert_int_equal(look(w, SODP_MEM_REMOTE_ATOMIC, at, 8),
				 SODP_MEM_ACCESS);
		sodp_window_free(w);
	}
	teardown();
}

/* Its key is no region's, for whoever asks. */
static void test_keys(void **state)
{
	struct sodp_window *w, *other;
	struct sodp_region *r;
	u32 key;

	setup(state, RW);
	w = make(SODP_WINDOW_1);
	other = sodp_window_alloc(the_bed->mem, 2, SODP_WINDOW_1);
	key = sodp_window_key(w);
	assert_int_equal(bind(w, BASE, LEN, WIN_RW), 0);
	assert_int_equal(sodp_window_key(w), NEXT(key));
	assert_int_equal(look_as(&us, key, WIN_RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(sodp_region_get(the_bed->mem, NEXT(key), 1, 0, BASE, 1,
					 &r),
			 SODP_MEM_ACCESS);
	/* by a key of before, and by one that is to come */
	for (int ahead = 0; ahead <= 2; ahead += 2) {
		const struct sodp_window_bind stale = {
			.key = (key & ~0xffU) | ((key + ahead) & 0xff),
			.region_key = sodp_region_key(region),
			.iova = BASE,
			.length = 1,
		};

		assert_int_equal(sodp_window_bind(the_bed->mem, 1, &us, &stale),
				 -EINVAL);
	}
	/* a region's own key as a window's, and the window of another domain */
	assert_int_equal(bind(other, BASE, LEN, WIN_RW), -EINVAL);
	assert_int_equal(look(other, WIN_RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(look_as(&us, sodp_region_key(region), WIN_RW, BASE,
				 LEN),
			 SODP_MEM_OK);
	sodp_window_free(other);
	sodp_window_free(w);
	assert_int_equal(look_as(&us, NEXT(key), WIN_RO, BASE, 1),
			 SODP_MEM_ACCESS);
	teardown();
}

static void test_bind_errors(void **state)
{
	const struct sodp_window_bind nowhere = { .key = 0xffffff00,
						  .region_key = 0x123400,
						  .length = 1 };
	struct sodp_window *one, *two;
	struct sodp_region *kept;

	setup(state, RW);
	one = make(SODP_WINDOW_1);
	two = make(SODP_WINDOW_2);
	assert_int_equal(sodp_window_bind(the_bed->mem, 1, &us, &nowhere),
			 -EINVAL);
	assert_int_equal(bind(one, BASE - 1, 2, WIN_RO), -EINVAL);
	assert_int_equal(bind(one, BASE, LEN + 1, WIN_RO), -EINVAL);
	assert_int_equal(bind(one, BASE + 1, U64_MAX, WIN_RO), -EINVAL);
	assert_int_equal(bind_as(&us, one, BASE, LEN, WIN_RO, true), -EINVAL);
	assert_int_equal(bind(two, BASE, 0, WIN_RO), -EINVAL);

	/* A region that windows may not be bound to, or that is not written. */
	kept = region;
	region = reg(the_bed, BASE, LEN, RW);
	assert_int_equal(bind(one, BASE, LEN, WIN_RO), -EINVAL);
	assert_int_equal(bind(two, BASE, LEN, WIN_RO), -EINVAL);
	sodp_region_deregister(region);
	region = bindable(0);
	assert_int_equal(bind(one, BASE, LEN, WIN_RW), -EINVAL);
	assert_int_equal(bind(one, BASE, LEN, SODP_MEM_REMOTE_ATOMIC), -EINVAL);
	/* Peers may read by the window alone. */
	assert_int_equal(bind(one, BASE, LEN, WIN_RO), 0);
	assert_int_equal(look(one, WIN_RO, BASE, LEN), SODP_MEM_OK);
	assert_int_equal(bind(one, 0, 0, 0), 0);
	assert_true(sodp_region_retire(region));
	assert_int_equal(bind(one, BASE, LEN, WIN_RO), -EINVAL);
	sodp_region_deregister(region);
	region = kept;

	assert_int_equal(bind(two, BASE, LEN, WIN_RO), 0);
	assert_int_equal(bind(two, BASE, LEN, WIN_RO), -EINVAL);
	sodp_window_free(one);
	sodp_window_free(two);
	teardown();
}

static void test_type_1(void **state)
{
	struct sodp_window *w;
	u32 key;

	setup(state, RW);
	w = make(SODP_WINDOW_1);
	assert_int_equal(bind(w, BASE, PAGE_SIZE, WIN_RW), 0);
	key = sodp_window_key(w);
	assert_int_equal(look_as(&them, key, WIN_RW, BASE, 1), SODP_MEM_OK);
	assert_int_equal(sodp_key_invalidate(the_bed->mem, 1, &us, key),
			 -EINVAL);
	assert_int_equal(look(w, WIN_RW, BASE, 1), SODP_MEM_OK);
	/* anew, by another queue pair, and to nothing */
	assert_int_equal(bind_as(&them, w, BASE + PAGE_SIZE, 1, WIN_RO, false),
			 0);
	assert_int_equal(look_as(&us, key, WIN_RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(look(w, WIN_RO, BASE, 1), SODP_MEM_BOUNDS);
	assert_int_equal(look(w, WIN_RO, BASE + PAGE_SIZE, 1), SODP_MEM_OK);
	assert_false(sodp_region_retire(region));
	/* the end of who bound it is not its end */
	sodp_window_user_end(the_bed->mem, &them);
	assert_int_equal(look(w, WIN_RO, BASE + PAGE_SIZE, 1), SODP_MEM_OK);
	assert_int_equal(bind(w, 0, 0, 0), 0);
	assert_int_equal(look(w, 0, BASE + PAGE_SIZE, 1), SODP_MEM_ACCESS);
	assert_int_equal(bind(w, BASE, 1, WIN_RO), 0);
	sodp_window_free(w);
	teardown();
}

static void test_type_2(void **state)
{
	struct sodp_window *w, *more[3];
	u32 key;

	setup(state, RW);
	w = make(SODP_WINDOW_2);
	assert_int_equal(bind(w, BASE, PAGE_SIZE, WIN_RW), 0);
	key = sodp_window_key(w);
	assert_int_equal(look(w, WIN_RW, BASE, PAGE_SIZE), SODP_MEM_OK);
	/* for who bound it alone */
	assert_int_equal(look_as(&them, key, WIN_RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(look_as(NULL, key, WIN_RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(sodp_key_invalidate(the_bed->mem, 1, &them, key),
			 -EINVAL);
	assert_int_equal(sodp_key_invalidate(the_bed->mem, 2, &us, key),
			 -EINVAL);
	assert_int_equal(sodp_key_invalidate(the_bed->mem, 1, &us, NEXT(key)),
			 -EINVAL);
	assert_int_equal(look(w, WIN_RW, BASE, PAGE_SIZE), SODP_MEM_OK);
	assert_int_equal(sodp_key_invalidate(the_bed->mem, 1, &us, key), 0);
	assert_int_equal(look(w, WIN_RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(sodp_key_invalidate(the_bed->mem, 1, &us, key), 0);
	/* free: for another one now */
	assert_int_equal(bind_as(&them, w, BASE, 1, WIN_RO, false), 0);
	assert_int_equal(look(w, WIN_RO, BASE, 1), SODP_MEM_ACCESS);
	assert_int_equal(look_as(&them, sodp_window_key(w), WIN_RO, BASE, 1),
			 SODP_MEM_OK);
	for (int i = 0; i < 3; i++) {
		more[i] = make(SODP_WINDOW_2);
		assert_int_equal(
			bind_as(&them, more[i], BASE, 1, WIN_RO, false), 0);
	}
	sodp_window_free(more[1]);
	assert_false(sodp_region_retire(region));
	sodp_window_user_end(the_bed->mem, &them);
	assert_int_equal(look_as(&them, sodp_window_key(more[2]), WIN_RO, BASE,
				 1),
			 SODP_MEM_ACCESS);
	assert_true(sodp_region_retire(region));
	assert_int_equal(bind(w, BASE, 1, WIN_RO), -EINVAL);
	sodp_window_free(more[0]);
	sodp_window_free(more[2]);
	sodp_window_free(w);
	sodp_region_deregister(region);
	region = bindable(RW);
	teardown();
}

static void test_zero_based(void **state)
{
	struct sodp_remote remote;
	struct sodp_window *w;

	setup(state, RW);
	w = make(SODP_WINDOW_2);
	assert_int_equal(bind_as(&us, w, BASE + 300, 500, WIN_RW, true), 0);
	assert_int_equal(look(w, WIN_RW, 0, 500), SODP_MEM_OK);
	assert_int_equal(look(w, WIN_RW, 0, 501), SODP_MEM_BOUNDS);
	assert_int_equal(look(w, WIN_RW, 500, 1), SODP_MEM_BOUNDS);
	assert_int_equal(look(w, WIN_RW, BASE + 300, 1), SODP_MEM_BOUNDS);
	assert_int_equal(look(w, WIN_RW, U64_MAX, 1), SODP_MEM_BOUNDS);
	local_bh_disable();
	assert_int_equal(get(&us, sodp_window_key(w), WIN_RW, 100, 400,
			     &remote),
			 SODP_MEM_OK);
	assert_ptr_equal(remote.region, region);
	assert_int_equal(remote.iova, BASE + 400);
	end(&remote);
	local_bh_enable();
	sodp_window_free(w);
	teardown();
}

/* What a fault keeps is the region; when it is over, the key is asked again. */
static void test_fault(void **state)
{
	struct sodp_remote remote;
	struct sodp_window *w;
	struct sodp_region *kept;
	u8 byte = 1;
	size_t done = 0;

	setup(state, RW);
	w = make(SODP_WINDOW_2);
	assert_int_equal(bind(w, BASE, LEN, WIN_RW), 0);
	local_bh_disable();
	assert_int_equal(get(&us, sodp_window_key(w), WIN_RW, BASE + 5, 1,
			     &remote),
			 SODP_MEM_OK);
	assert_int_equal(sodp_mem_copy_in(remote.region, remote.iova, &byte, 1,
					  &done),
			 SODP_MEM_FAULT);
	kept = sodp_remote_keep_region(&remote);
	end_pass();
	local_bh_enable();
	assert_int_equal(resolve(kept, remote.iova, 1, true), SODP_MEM_OK);
	/* does not wait for who keeps the region */
	assert_int_equal(sodp_key_invalidate(the_bed->mem, 1, &us,
					     sodp_window_key(w)),
			 0);
	assert_int_equal(look(w, WIN_RW, BASE + 5, 1), SODP_MEM_ACCESS);
	sodp_region_put(kept);
	sodp_window_free(w);
	teardown();
}

static void test_owner_gone(void **state)
{
	struct sodp_window *w;

	setup(state, RW);
	w = make(SODP_WINDOW_1);
	assert_int_equal(bind(w, BASE, LEN, WIN_RW), 0);
	um_exit(the_bed->mm);
	the_bed->exited = true;
	assert_int_equal(look(w, WIN_RW, BASE, 1), SODP_MEM_GONE);
	assert_int_equal(bind(w, BASE, LEN, WIN_RW), -EINVAL);
	sodp_window_free(w);
	teardown();
}

/* --- those who are at it ----------------------------------------- */

struct revoker {
	u32 key;
	int err;
	int done;
};

static void *run_revoker(void *arg)
{
	struct revoker *r = arg;

	r->err = sodp_key_invalidate(the_bed->mem, 1, &us, r->key);
	__atomic_store_n(&r->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* It returns when the access has ended, and not before. */
static void test_waits(void **state)
{
	struct revoker r = { .err = 1 };
	struct sodp_remote remote;
	struct sodp_window *w;
	pthread_t thread;

	setup(state, RW);
	w = make(SODP_WINDOW_2);
	assert_int_equal(bind(w, BASE, LEN, WIN_RW), 0);
	r.key = sodp_window_key(w);
	local_bh_disable();
	assert_int_equal(get(&us, r.key, WIN_RW, BASE, 1, &remote),
			 SODP_MEM_OK);
	pthread_create(&thread, NULL, run_revoker, &r);
	for (int i = 0; i < 100 && !__atomic_load_n(&r.done, __ATOMIC_SEQ_CST);
	     i++)
		usleep(1000);
	assert_false(__atomic_load_n(&r.done, __ATOMIC_SEQ_CST));
	end(&remote);
	local_bh_enable();
	pthread_join(thread, NULL);
	assert_int_equal(r.err, 0);
	assert_int_equal(look_as(&us, r.key, WIN_RO, BASE, 1), SODP_MEM_ACCESS);
	sodp_window_free(w);
	teardown();
}

static u32 hot_key; /* what peers may use, 0: none */
static u32 revoked; /* what nobody may */
static int stop;
static unsigned long admitted, refused;

static bool seen(const unsigned long *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

/* @arg: its own byte. */
static void *peer(void *arg)
{
	u64 iova = BASE + (uintptr_t)arg;
	struct sodp_remote remote;

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		u32 key = __atomic_load_n(&hot_key, __ATOMIC_SEQ_CST);
		u8 byte = 0x77;
		size_t done = 0;

		local_bh_disable();
		rcu_read_lock();
		if (get(&us, key, SODP_MEM_REMOTE_WRITE, iova, 1, &remote) ==
		    SODP_MEM_OK) {
			/* From here to the put nobody may call it revoked. */
			if (__atomic_load_n(&revoked, __ATOMIC_SEQ_CST) == key)
				shim_bug("an access by a revoked key");
			sodp_mem_copy_in(remote.region, remote.iova, &byte, 1,
					 &done);
			if (__atomic_load_n(&revoked, __ATOMIC_SEQ_CST) == key)
				shim_bug("revoked under an access");
			end(&remote);
			__atomic_add_fetch(&admitted, 1, __ATOMIC_RELAXED);
		} else {
			__atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
		}
		rcu_read_unlock();
		local_bh_enable();
	}
	return NULL;
}

/* Keys come and go, in all three ways, under two who use them. */
static void test_threads(void **state)
{
	struct sodp_window *w;
	pthread_t threads[2];
	u32 key;

	setup(state, RW);
	w = make(SODP_WINDOW_2);
	assert_int_equal(resolve(region, BASE, 1, true), SODP_MEM_OK);
	stop = 0;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, peer, (void *)(uintptr_t)i);
	for (int i = 0; i < 3000 || !seen(&admitted) || !seen(&refused); i++) {
		assert_int_equal(bind(w, BASE, 2, WIN_RW), 0);
		key = sodp_window_key(w);
		__atomic_store_n(&revoked, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&hot_key, key, __ATOMIC_SEQ_CST);
		if (i % 8 == 0)
			sched_yield();
		if (i % 3 == 0) {
			sodp_window_free(w);
			w = make(SODP_WINDOW_2);
		} else if (i % 3 == 1) {
			sodp_window_user_end(the_bed->mem, &us);
		} else {
			assert_int_equal(sodp_key_invalidate(the_bed->mem, 1,
							     &us, key),
					 0);
		}
		__atomic_store_n(&revoked, key, __ATOMIC_SEQ_CST);
		/* and the region could go at once */
		if (i % 16 == 0) {
			assert_true(sodp_region_retire(region));
			sodp_region_deregister(region);
			region = bindable(RW);
			assert_int_equal(resolve(region, BASE, 1, true),
					 SODP_MEM_OK);
		}
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	sodp_window_free(w);
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bounds, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(test_keys, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(test_bind_errors, bed_up,
						bed_down),
		cmocka_unit_test_setup_teardown(test_type_1, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(test_type_2, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(test_zero_based, bed_up,
						bed_down),
		cmocka_unit_test_setup_teardown(test_fault, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(test_owner_gone, bed_up,
						bed_down),
		cmocka_unit_test_setup_teardown(test_waits, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(test_threads, bed_up, bed_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
