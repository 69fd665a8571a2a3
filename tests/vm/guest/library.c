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

static bool is_softodp(const struct ibv_context *context)
{
	return !strncmp(context->device->name, "sodp", 4);
}

static bool has(const struct softodp_device_attr *attr, uint32_t feature)
{
	CHECK(!(attr->unknown & feature));
	return attr->features & feature;
}

static void check_prefetch(struct ibv_pd *pd, char *base, bool odp,
			   const struct softodp_device_attr *attr)
{
	const unsigned int wait = SOFTODP_PREFETCH_WRITE |
				  SOFTODP_PREFETCH_WAIT;
	struct ibv_mr *mr = softodp_reg_mr(pd, base, odp ? SIZE : SMALL,
					   IBV_ACCESS_LOCAL_WRITE, 0, NULL);
	const uint64_t start = (uintptr_t)base;
	struct softodp_mr_stats stats;
	struct ibv_sge sge;
	int ret;

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
	if (has(attr, SOFTODP_STATS)) {
		CHECK(!softodp_query_mr_stats(mr, &stats) && errno == ESTALE);
		CHECK(!stats.resident_pages && !stats.page_prefetch);
	}
	CHECK(!softodp_prefetch_range(mr, start + 100, SMALL, wait));
	if (has(attr, SOFTODP_STATS)) {
		CHECK(!softodp_query_mr_stats(mr, &stats));
		CHECK(stats.resident_pages >= SMALL / 4096 + 1);
		CHECK(stats.page_prefetch >= SMALL / 4096 + 1);
		CHECK(!stats.page_faults && stats.table_bytes);
	}
	CHECK(softodp_prefetch(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 0) == EINVAL);
	CHECK(softodp_prefetch_range(mr, start, SMALL, 1U << 9) == EINVAL);
	errno = ESTALE;
	ret = softodp_prefetch_range(mr, start + SIZE - 10, 11, wait);
	CHECK(is_softodp(pd->context) ? ret == EFAULT : ret);
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

static void check_device(struct ibv_context *context,
			 struct softodp_device_attr *attr, bool odp)
{
	attr->size = sizeof(*attr);
	errno = ESTALE;
	CHECK(!softodp_query_device(context, attr) && errno == ESTALE);
	printf("features %#x unknown %#x prefetch by way %d\n", attr->features,
	       attr->unknown, attr->prefetch_way);
	CHECK(has(attr, SOFTODP_PINNED));
	CHECK(has(attr, SOFTODP_ON_DEMAND) == odp);
	CHECK(has(attr, SOFTODP_PREFETCH) == odp);
	CHECK((attr->prefetch_way != SOFTODP_WAY_NONE) == odp);
	CHECK(!(attr->rc_odp_caps & IBV_ODP_SUPPORT_WRITE) == !odp);
	if (!odp)
		CHECK(!has(attr, SOFTODP_IMPLICIT));
}

/* What the device says it can is done, what not is refused by that name. */
static void check_rereg(struct ibv_pd *pd, char *base,
			const struct softodp_device_attr *attr)
{
	struct ibv_mr *mr = softodp_reg_mr(pd, base, SMALL,
					   IBV_ACCESS_LOCAL_WRITE, 0, NULL);
	const unsigned int on_demand =
		has(attr, SOFTODP_ON_DEMAND) ? IBV_ACCESS_ON_DEMAND : 0;
	struct ibv_pd *other = ibv_alloc_pd(pd->context);
	enum softodp_rereg_state state;
	int ret;

	CHECK(mr && other);
	ret = softodp_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
			       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
				       on_demand,
			       &state);
	if (has(attr, SOFTODP_REREG_ACCESS))
		CHECK(!ret && state == SOFTODP_REREG_CHANGED);
	else
		CHECK(ret == -1 && errno == EOPNOTSUPP &&
		      state == SOFTODP_REREG_UNCHANGED);
	ret = softodp_rereg_mr(mr, IBV_REREG_MR_CHANGE_PD, other, NULL, 0, 0,
			       &state);
	if (has(attr, SOFTODP_REREG_PD))
		CHECK(!ret && mr->pd == other);
	else
		CHECK(ret == -1 && errno == EOPNOTSUPP && mr->pd == pd);
	ret = softodp_rereg_mr(mr, IBV_REREG_MR_CHANGE_TRANSLATION, NULL,
			       base + SMALL, SMALL, 0, &state);
	if (has(attr, SOFTODP_REREG_TRANSLATION))
		CHECK(!ret && mr->addr == base + SMALL);
	else
		CHECK(ret == -1 && errno == EOPNOTSUPP && mr->addr == base);
	CHECK(softodp_rereg_mr(mr, 0, NULL, NULL, 0, 0, &state) == -1 &&
	      errno == EINVAL && state == SOFTODP_REREG_UNCHANGED);
	CHECK(!ibv_dereg_mr(mr) && !ibv_dealloc_pd(other));
}

static void check_dmabuf(struct ibv_pd *pd,
			 const struct softodp_device_attr *attr)
{
	CHECK(!softodp_reg_dmabuf_mr(pd, 0, 4096, 0, -1, 0));
	CHECK(errno == (has(attr, SOFTODP_DMABUF) ? EBADF : EOPNOTSUPP));
}

/* One key for all memory, that of after the registration too. */
static void check_whole(struct ibv_pd *pd,
			const struct softodp_device_attr *attr)
{
	const unsigned int wait = SOFTODP_PREFETCH_WRITE |
				  SOFTODP_PREFETCH_WAIT;
	struct softodp_reg reg = {
		.size = sizeof(reg),
		.length = SIZE_MAX,
		.access = IBV_ACCESS_LOCAL_WRITE,
	};
	struct ibv_mr *mr = softodp_register(pd, &reg);
	struct softodp_mr_stats stats;
	char *later;

	if (!has(attr, SOFTODP_ON_DEMAND)) {
		CHECK(!mr && errno == EOPNOTSUPP &&
		      reg.reason == SOFTODP_REASON_NO_ODP);
		return;
	}
	/* Another driver would take memory for each page there might be. */
	if (!has(attr, SOFTODP_IMPLICIT) && !is_softodp(pd->context)) {
		CHECK(!mr && errno == EOPNOTSUPP &&
		      reg.reason == SOFTODP_REASON_NO_IMPLICIT);
		return;
	}
	CHECK(mr && reg.kind == SOFTODP_KIND_ON_DEMAND);
	CHECK((reg.reason == SOFTODP_REASON_NO_IMPLICIT) ==
	      !has(attr, SOFTODP_IMPLICIT));
	if (!mr)
		return;
	later = mmap(NULL, SMALL, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(later != MAP_FAILED);
	CHECK(!softodp_prefetch_range(mr, (uintptr_t)later, SMALL, wait));
	CHECK(!softodp_prefetch_range(mr, (uintptr_t)&reg, sizeof(reg), wait));
	CHECK(!softodp_query_mr_stats(mr, &stats));
	CHECK(stats.resident_pages >= SMALL / 4096 + 1);
	CHECK(!munmap(later, SMALL));
	CHECK(softodp_prefetch_range(mr, (uintptr_t)later, SMALL, wait) ==
	      EFAULT);
	CHECK(!ibv_dereg_mr(mr));

	reg.need = SOFTODP_IMPLICIT;
	mr = softodp_register(pd, &reg);
	CHECK(!mr == !has(attr, SOFTODP_IMPLICIT));
	if (mr)
		CHECK(!ibv_dereg_mr(mr));
	else
		CHECK(errno == EOPNOTSUPP && reg.missing & SOFTODP_IMPLICIT);
}

static struct softodp_prefetch_job *start_job(struct ibv_mr *mr)
{
	const struct ibv_sge sge = { (uintptr_t)mr->addr, mr->length,
				     mr->lkey };

	return softodp_prefetch_start(
		mr->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, &sge, 1);
}

static void check_job(struct ibv_pd *pd, char *base, bool odp)
{
	struct softodp_residency residency = { .size = sizeof(residency) };
	struct softodp_prefetch_job *job;
	struct softodp_mr_stats stats;
	struct ibv_mr *mr;
	int ret;

	madvise(base, SIZE, MADV_DONTNEED);
	mr = softodp_reg_mr(pd, base, odp ? SIZE / 2 : SMALL,
			    IBV_ACCESS_LOCAL_WRITE, 0, NULL);
	job = mr ? start_job(mr) : NULL;
	CHECK(mr && job);
	if (!job)
		return;
	ret = softodp_prefetch_wait(job, 30000);
	softodp_prefetch_end(job);
	CHECK(ret == (odp ? 0 : EOPNOTSUPP));
	CHECK(!softodp_query_residency(mr, mr->addr, mr->length, NULL,
				       &residency));
	CHECK(residency.source != SOFTODP_SOURCE_NONE);
	if (residency.source == SOFTODP_SOURCE_DEVICE)
		CHECK(residency.device == residency.pages);
	CHECK(residency.in_memory == residency.pages); /* pinned, too */
	if (!odp) {
		CHECK(!ibv_dereg_mr(mr));
		return;
	}
	if (!softodp_query_mr_stats(mr, &stats))
		CHECK(stats.resident_pages == SIZE / 2 / 4096);

	/* The region goes in the middle: neither waits for the other. */
	madvise(base, SIZE, MADV_DONTNEED);
	job = start_job(mr);
	CHECK(!ibv_dereg_mr(mr));
	CHECK(job);
	if (!job)
		return;
	ret = softodp_prefetch_wait(job, 30000);
	CHECK(!ret || ret == ENOENT || ret == EFAULT ||
	      (!is_softodp(pd->context) && ret != ETIMEDOUT));
	softodp_prefetch_end(job);
}

int main(int argc, char **argv)
{
	struct softodp_device_attr attr;
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

	check_device(context, &attr, odp);
	check_registration(pd, base, odp);
	check_rereg(pd, base, &attr);
	check_dmabuf(pd, &attr);
	check_whole(pd, &attr);
	check_prefetch(pd, base, odp, &attr);
	check_job(pd, base, odp);
	CHECK(has(&attr, SOFTODP_STATS) == is_softodp(context));
	if (has(&attr, SOFTODP_STATS))
		check_twins(pd, base);
	CHECK(!softodp_query_dev_counter(context, "sent_pkts", &value));
	CHECK(softodp_query_dev_counter(context, "no_such", &value) == -1 &&
	      errno == ENOENT);
	CHECK(!ibv_dealloc_pd(pd)); /* nothing is left in it */
	ibv_close_device(context);
	return failed != 0;
}
