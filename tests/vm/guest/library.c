// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libsoftodp on a real device: library DEVICE {odp|pinned}, where the second
 * says what the device can. Run as an ordinary user with ulimit -l 1024.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <softodp/softodp.h>

#define SIZE  (64UL << 20) /* far more than may be locked */
#define SMALL 65536

static int failed;

#define CHECK(what)                                                          \
	do {                                                                 \
		if (!(what)) {                                               \
			printf("line %d: not so: %s (errno %s)\n", __LINE__, \
			       #what, strerrorname_np(errno));               \
			failed++;                                            \
		}                                                            \
	} while (0)

static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (int i = 0; list && list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			return ibv_open_device(list[i]);
	errx(1, "no device %s", name);
}

static void check_registration(struct ibv_pd *pd, char *base, bool odp)
{
	struct softodp_reg_result why;
	struct ibv_mr *mr;

	errno = ESTALE;
	mr = softodp_reg_mr(pd, base, SMALL, IBV_ACCESS_LOCAL_WRITE, 0, &why);
	CHECK(mr && errno == ESTALE);
	CHECK(why.kind == (odp ? SOFTODP_KIND_ON_DEMAND : SOFTODP_KIND_PINNED));
	CHECK(why.reason ==
	      (odp ? SOFTODP_REASON_FIRST_CHOICE : SOFTODP_REASON_NO_ODP));
	CHECK(!ibv_dereg_mr(mr));

	mr = softodp_reg_mr(pd, base, SIZE, IBV_ACCESS_LOCAL_WRITE,
			    SOFTODP_REG_NO_ODP, &why);
	CHECK(!mr && errno == ENOMEM && why.reason == SOFTODP_REASON_MEMLOCK &&
	      why.kind == SOFTODP_KIND_NONE);

	mr = softodp_reg_mr(pd, base, SIZE, IBV_ACCESS_LOCAL_WRITE,
			    SOFTODP_REG_PIN_FIRST, &why);
	CHECK(!mr == !odp);
	CHECK(why.reason ==
	      (odp ? SOFTODP_REASON_MEMLOCK : SOFTODP_REASON_NO_ODP));
	if (mr)
		CHECK(!ibv_dereg_mr(mr));

	mr = softodp_reg_mr(pd, base, SMALL, IBV_ACCESS_LOCAL_WRITE,
			    SOFTODP_REG_NO_PIN, &why);
	CHECK(!mr == !odp && (odp || errno == EOPNOTSUPP));
	if (mr)
		CHECK(!ibv_dereg_mr(mr));
}

static void check_prefetch(struct ibv_pd *pd, char *base, bool odp)
{
	const unsigned int wait = SOFTODP_PREFETCH_WRITE |
				  SOFTODP_PREFETCH_WAIT;
	struct ibv_mr *mr = softodp_reg_mr(pd, base, odp ? SIZE : SMALL,
					   IBV_ACCESS_LOCAL_WRITE, 0, NULL);
	const uint64_t start = (uintptr_t)base;
	struct softodp_mr_stats stats;
	struct ibv_sge sge;

	CHECK(mr);
	if (!mr)
		return;
	sge = (struct ibv_sge){ start, SMALL, mr->lkey };
	if (!odp) {
		CHECK(softodp_prefetch_range(mr, start, SMALL, wait) ==
		      EOPNOTSUPP);
		CHECK(softodp_query_mr_stats(mr, &stats) == -1 &&
		      errno == EOPNOTSUPP);
		ibv_dereg_mr(mr);
		return;
	}
	errno = ESTALE;
	CHECK(!softodp_query_mr_stats(mr, &stats) && errno == ESTALE);
	CHECK(!stats.resident_pages && !stats.page_prefetch);
	CHECK(!softodp_prefetch_range(mr, start + 100, SMALL, wait));
	CHECK(!softodp_query_mr_stats(mr, &stats));
	CHECK(stats.resident_pages >= SMALL / 4096 + 1);
	CHECK(stats.page_prefetch >= SMALL / 4096 + 1);
	CHECK(!stats.page_faults && stats.table_bytes);

	CHECK(softodp_prefetch(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 0) == EINVAL);
	CHECK(softodp_prefetch_range(mr, start, SMALL, 1U << 9) == EINVAL);
	CHECK(softodp_prefetch_range(mr, start + SIZE - 10, 11, wait) ==
	      EFAULT);
	sge.lkey ^= 0x5a5a00;
	CHECK(softodp_prefetch(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	CHECK(errno == ESTALE);
	CHECK(!ibv_dereg_mr(mr));
}

/* Without CAP_NET_ADMIN two regions of one length cannot be told apart. */
static void check_twins(struct ibv_pd *pd, char *base)
{
	struct ibv_mr *one = softodp_reg_mr(pd, base, SMALL, 0, 0, NULL);
	struct ibv_mr *two = softodp_reg_mr(pd, base, SMALL, 0, 0, NULL);
	struct softodp_mr_stats stats;

	CHECK(one && two);
	CHECK(softodp_query_mr_stats(one, &stats) == -1 && errno == ENOTUNIQ);
	CHECK(!ibv_dereg_mr(two));
	CHECK(!softodp_query_mr_stats(one, &stats));
	CHECK(!ibv_dereg_mr(one));
}

int main(int argc, char **argv)
{
	const bool odp = argc == 3 && !strcmp(argv[2], "odp");
	struct ibv_context *context;
	uint64_t value;
	struct ibv_pd *pd;
	char *base;

	if (argc != 3)
		errx(2, "usage: %s DEVICE odp|pinned", argv[0]);
	context = open_device(argv[1]);
	pd = context ? ibv_alloc_pd(context) : NULL;
	base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!pd || base == MAP_FAILED)
		err(1, "set-up");
	madvise(base, SIZE, MADV_NOHUGEPAGE);

	check_registration(pd, base, odp);
	check_prefetch(pd, base, odp);
	if (odp)
		check_twins(pd, base);
	CHECK(!softodp_query_dev_counter(context, "sent_pkts", &value));
	CHECK(softodp_query_dev_counter(context, "no_such", &value) == -1 &&
	      errno == ENOENT);
	ibv_dealloc_pd(pd);
	ibv_close_device(context);
	return failed != 0;
}
