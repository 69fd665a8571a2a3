// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A program that knows nothing of the shim, but counts what reaches libibverbs:
 * user {rows|threads|fork|chosen|old|bare|small|device}. "bare" is how it goes
 * without the shim.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "../../device.h"
#include "fake.h"

enum {
	RC_ALL = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV |
		 IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_READ,
	LW = IBV_ACCESS_LOCAL_WRITE,
	AT = LW | IBV_ACCESS_REMOTE_ATOMIC,
	OD = IBV_ACCESS_ON_DEMAND,
	THREADS = 4,
	EACH = 500,
};

static int query(struct ibv_context *context,
		 const struct ibv_query_device_ex_input *input,
		 struct ibv_device_attr_ex *attr, size_t size)
{
	const struct fake *fake =
		(struct fake *)((char *)context -
				offsetof(struct fake, verbs.context));

	(void)input, (void)size;
	attr->odp_caps.general_caps = fake->general;
	attr->odp_caps.per_transport_caps.rc_odp_caps = fake->rc;
	attr->odp_caps.per_transport_caps.ud_odp_caps = fake->ud;
	return fake->query_error;
}

void fake_init(struct fake *fake, const char *name)
{
	memset(fake, 0, sizeof(*fake));
	fake->verbs.sz = sizeof(fake->verbs);
	fake->verbs.query_device_ex = query;
	fake->verbs.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	fake->verbs.context.device = &fake->device;
	snprintf(fake->device.name, sizeof(fake->device.name), "%s", name);
	fake->pd.context = &fake->verbs.context;
	fake->general = IBV_ODP_SUPPORT;
	fake->rc = RC_ALL;
}

static const struct row {
	const char *name;
	uint64_t general;
	int query_error, odp_error, pin_error;
	int access;
	const char *attempts;
	int err; /* of the registration; 0: it works, errno untouched */
} rows[] = {
	{ "on demand", IBV_ODP_SUPPORT, 0, 0, 0, LW, "o", 0 },
	{ "the program asks itself", IBV_ODP_SUPPORT, 0, 0, 0, LW | OD, "o",
	  0 },
	{ "and is refused", 0, 0, EOPNOTSUPP, 0, LW | OD, "o", EOPNOTSUPP },
	{ "no ODP", 0, 0, 0, 0, LW, "p", 0 },
	{ "no ODP, over the limit", 0, 0, 0, ENOMEM, LW, "p", ENOMEM },
	{ "no atomics on demand", IBV_ODP_SUPPORT, 0, 0, 0, AT, "p", 0 },
	{ "does not say", IBV_ODP_SUPPORT, EIO, 0, 0, LW, "p", 0 },
	{ "has no such query", IBV_ODP_SUPPORT, EOPNOTSUPP, 0, 0, LW, "p", 0 },
	{ "refused", IBV_ODP_SUPPORT, 0, EINVAL, 0, LW, "op", 0 },
	{ "nothing works", IBV_ODP_SUPPORT, 0, EINVAL, EFAULT, LW, "op",
	  EFAULT },
};

/* The three ways in; which of them the header takes depends on the access. */
static struct ibv_mr *call(int way, struct fake *fake, int access,
			   uint64_t *iova)
{
	volatile int variable = access;

	*iova = 0x7000;
	switch (way) {
	case 0:
		*iova = (uintptr_t)fake;
		return (ibv_reg_mr)(&fake->pd, fake, 4096, access);
	case 1:
		return (ibv_reg_mr_iova)(&fake->pd, fake, 4096, 0x7000, access);
	default:
		return ibv_reg_mr_iova(&fake->pd, fake, 4096, 0x7000, variable);
	}
}

static int check_row(const struct row *row, int way)
{
	struct fake fake;
	struct ibv_mr *mr;
	uint64_t iova;

	fake_init(&fake, "fake0");
	fake.general = row->general;
	fake.query_error = row->query_error;
	fake.odp_error = row->odp_error;
	fake.pin_error = row->pin_error;
	errno = ESTALE;
	mr = call(way, &fake, row->access, &iova);
	if (!mr == !!row->err && errno == (row->err ? row->err : ESTALE) &&
	    !strcmp(fake.attempts, row->attempts) && fake.iova == iova)
		return 0;
	printf("FAIL %s, way %d: attempts \"%s\" errno %d\n", row->name, way,
	       fake.attempts, errno);
	return 1;
}

static int all_rows(void)
{
	int bad = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int way = 0; way < 3; way++)
			bad += check_row(&rows[i], way);
	return bad;
}

/* One region; true if it went on as @attempts. */
static int one(const char *name, const char *attempts)
{
	struct fake fake;

	fake_init(&fake, name);
	if (!ibv_reg_mr(&fake.pd, &fake, 4096, LW))
		return 1;
	if (strcmp(fake.attempts, attempts))
		printf("attempts: %s, not %s\n", fake.attempts, attempts);
	return strcmp(fake.attempts, attempts) != 0;
}

static void *many(void *arg)
{
	for (int i = 0; i < EACH; i++)
		if (one("fake0", "o"))
			*(int *)arg = 1;
	return NULL;
}

static int threads(void)
{
	pthread_t thread[THREADS];
	int bad[THREADS] = { 0 };
	int sum = 0;

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, many, &bad[i]))
			abort();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		sum += bad[i];
	}
	return sum;
}

/* Forks while other threads register; the child counts from 0. */
static int forked(void)
{
	pthread_t thread;
	int status, bad = one("fake0", "o");
	pid_t child;

	if (pthread_create(&thread, NULL, many, &bad))
		abort();
	child = fork();
	if (!child)
		exit(one("fake0", "o") + one("fake0", "o"));
	if (waitpid(child, &status, 0) != child || status)
		bad = 1;
	pthread_join(thread, NULL);
	return bad;
}

/* Through libsoftodp, which may want its region pinned. */
static int chosen(void)
{
	struct softodp_reg_result why;
	struct fake fake;

	fake_init(&fake, "fake0");
	return !softodp_reg_mr(&fake.pd, &fake, 4096, LW, SOFTODP_REG_NO_ODP,
			       &why) ||
	       strcmp(fake.attempts, "p") || why.kind != SOFTODP_KIND_PINNED;
}

/* Of libsoftodp only what registers is here; it does not come to these. */
bool device_is_softodp(const struct ibv_context *context)
{
	(void)context;
	abort();
}

int softodp_query_device(struct ibv_context *context,
			 struct softodp_device_attr *attr)
{
	(void)context, (void)attr;
	abort();
}

struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset,
				 size_t length, uint64_t iova, int fd,
				 int access)
{
	(void)pd, (void)offset, (void)length, (void)iova, (void)fd,
		(void)access;
	abort();
}

static int old(void)
{
	struct ibv_mr *(*reg)(void *, void *, size_t, int);

	reg = (struct ibv_mr * (*)(void *, void *, size_t, int))
		dlvsym(RTLD_DEFAULT, "ibv_reg_mr", "IBVERBS_1.0");
	return !reg || (void *)reg(NULL, &reg, 0, 0) != (void *)&reg;
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (!strcmp(what, "rows"))
		return all_rows();
	if (!strcmp(what, "threads"))
		return threads();
	if (!strcmp(what, "fork"))
		return forked();
	if (!strcmp(what, "chosen"))
		return chosen();
	if (!strcmp(what, "old"))
		return old();
	if (!strcmp(what, "one"))
		return one("fake0", "o");
	if (!strcmp(what, "bare"))
		return one("fake0", "p");
	return 2;
}
