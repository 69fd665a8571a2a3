// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Registration: the choice of softodp_reg_mr() and softodp_register(), against
 * a made-up device: for each row, which attempts are made in which order, what
 * comes out and with which reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake.h"

#define ODP	IBV_ODP_SUPPORT, RC_ALL, 0
#define NO_ODP	0, 0, 0
#define KIND(k) SOFTODP_KIND_##k
#define WHY(r)	SOFTODP_REASON_##r
#define F(f)	SOFTODP_REG_##f

static const struct row {
	const char *name;
	uint64_t general;
	uint32_t rc, ud;
	int query_error, odp_error, pin_error;
	unsigned int access, flags;
	const char *attempts;
	enum softodp_kind kind;
	enum softodp_reason reason;
	int error, err; /* in the result; in errno (0: untouched) */
} rows[] = {
	{ "on demand", ODP, 0, 0, 0, RW, 0, "o", KIND(ON_DEMAND),
	  WHY(FIRST_CHOICE), 0, 0 },
	{ "no ODP: pinned", NO_ODP, 0, 0, 0, RW, 0, "p", KIND(PINNED),
	  WHY(NO_ODP), EOPNOTSUPP, 0 },
	{ "no ODP and over the limit", NO_ODP, 0, 0, ENOMEM, RW, 0, "p",
	  KIND(NONE), WHY(MEMLOCK), ENOMEM, ENOMEM },
	{ "no ODP, NO_PIN", NO_ODP, 0, 0, 0, RW, F(NO_PIN), "", KIND(NONE),
	  WHY(NO_ODP), EOPNOTSUPP, EOPNOTSUPP },
	{ "access says on demand", NO_ODP, 0, 0, 0, RW | OD, 0, "", KIND(NONE),
	  WHY(NO_ODP), EOPNOTSUPP, EOPNOTSUPP },
	{ "caps lie: refused, then pinned", ODP, 0, EOPNOTSUPP, 0, RW, 0, "op",
	  KIND(PINNED), WHY(ODP_REFUSED), EOPNOTSUPP, 0 },
	{ "refused, NO_PIN", ODP, 0, EINVAL, 0, RW, F(NO_PIN), "o", KIND(NONE),
	  WHY(ODP_REFUSED), EINVAL, EINVAL },
	{ "no atomics on demand", IBV_ODP_SUPPORT,
	  RC_ALL & ~IBV_ODP_SUPPORT_ATOMIC, 0, 0, 0, 0, AT, 0, "p",
	  KIND(PINNED), WHY(OPERATION), EOPNOTSUPP, 0 },
	{ "no READ on demand", IBV_ODP_SUPPORT, RC_ALL & ~IBV_ODP_SUPPORT_READ,
	  0, 0, 0, 0, RR, 0, "p", KIND(PINNED), WHY(OPERATION), EOPNOTSUPP, 0 },
	{ "RECV not needed without local write", IBV_ODP_SUPPORT,
	  RC_ALL & ~IBV_ODP_SUPPORT_RECV, 0, 0, 0, 0, RR, 0, "o",
	  KIND(ON_DEMAND), WHY(FIRST_CHOICE), 0, 0 },
	{ "not for UD", ODP, 0, 0, 0, LW, F(FOR_UD), "p", KIND(PINNED),
	  WHY(TRANSPORT), EOPNOTSUPP, 0 },
	{ "UD: remote rights are not asked of it", IBV_ODP_SUPPORT, 0,
	  IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV, 0, 0, 0, RW, F(FOR_UD),
	  "o", KIND(ON_DEMAND), WHY(FIRST_CHOICE), 0, 0 },
	{ "RC and UD: both", ODP, 0, 0, 0, LW, F(FOR_RC) | F(FOR_UD), "p",
	  KIND(PINNED), WHY(TRANSPORT), EOPNOTSUPP, 0 },
	{ "query fails", ODP, EIO, 0, 0, LW, 0, "p", KIND(PINNED), WHY(QUERY),
	  EIO, 0 },
	{ "pin first", ODP, 0, 0, 0, RW, F(PIN_FIRST), "p", KIND(PINNED),
	  WHY(FIRST_CHOICE), 0, 0 },
	{ "pin first, over the limit", ODP, 0, 0, ENOMEM, RW, F(PIN_FIRST),
	  "po", KIND(ON_DEMAND), WHY(MEMLOCK), ENOMEM, 0 },
	{ "pin first, DAX", ODP, 0, 0, EOPNOTSUPP, RW, F(PIN_FIRST), "po",
	  KIND(ON_DEMAND), WHY(PIN_REFUSED), EOPNOTSUPP, 0 },
	{ "pin first, both fail", ODP, 0, EINVAL, ENOMEM, RW, F(PIN_FIRST),
	  "po", KIND(NONE), WHY(ODP_REFUSED), EINVAL, EINVAL },
	{ "pinned only", ODP, 0, 0, ENOMEM, RW, F(NO_ODP), "p", KIND(NONE),
	  WHY(MEMLOCK), ENOMEM, ENOMEM },
	{ "contradiction", ODP, 0, 0, 0, RW, F(NO_PIN) | F(NO_ODP), "",
	  KIND(NONE), WHY(ARGUMENT), EINVAL, EINVAL },
	{ "contradiction 2", ODP, 0, 0, 0, RW, F(NO_PIN) | F(PIN_FIRST), "",
	  KIND(NONE), WHY(ARGUMENT), EINVAL, EINVAL },
	{ "contradiction by access", ODP, 0, 0, 0, RW | OD, F(NO_ODP), "",
	  KIND(NONE), WHY(ARGUMENT), EINVAL, EINVAL },
	{ "unknown flag", ODP, 0, 0, 0, RW, 1U << 30, "", KIND(NONE),
	  WHY(ARGUMENT), EINVAL, EINVAL },
};

/* @plain: by the call that has no iova. */
static int check(const struct row *row, bool plain)
{
	const uint64_t iova = plain ? (uintptr_t)&fake : 0x5000;
	struct softodp_reg_result why;
	struct ibv_mr *mr;

	fake_reset();
	fake.general = row->general;
	fake.rc = row->rc;
	fake.ud = row->ud;
	fake.query_error = row->query_error;
	fake.odp_error = row->odp_error;
	fake.pin_error = row->pin_error;
	errno = UNTOUCHED;
	mr = plain ? softodp_reg_mr(&fake.pd, &fake, 4096, row->access,
				    row->flags, &why) :
		     softodp_reg_mr_iova(&fake.pd, &fake, 4096, iova,
					 row->access, row->flags, &why);
	if (!mr == (row->kind == SOFTODP_KIND_NONE) &&
	    errno == (row->err ? row->err : UNTOUCHED) &&
	    !strcmp(fake.attempts, row->attempts) && why.kind == row->kind &&
	    why.reason == row->reason && why.error == row->error &&
	    (!fake.attempts[0] || fake.iova == iova))
		return covers(plain ? "softodp_reg_mr" : "softodp_reg_mr_iova",
			      row->err);
	printf("FAIL %s: attempts \"%s\" kind %d reason %d error %d errno %d\n",
	       row->name, fake.attempts, why.kind, why.reason, why.error,
	       errno);
	return 1;
}

/* --- by need and want ------------------------------------------------------ */

#define HAS(f) SOFTODP_##f

static const struct wish {
	const char *name;
	uint64_t general;
	int kernel_advise, dmabuf_error, pd_error, pin_error;
	bool whole, softodp;
	unsigned int flags;
	uint32_t need, want;
	const char *attempts;
	enum softodp_kind kind;
	enum softodp_reason reason;
	uint32_t got, missing;
	int err;
} wishes[] = {
	{ .name = "nothing",
	  .general = IBV_ODP_SUPPORT,
	  .attempts = "o",
	  .kind = KIND(ON_DEMAND),
	  .got = HAS(ON_DEMAND) },
	{ .name = "pinned wanted",
	  .general = IBV_ODP_SUPPORT,
	  .want = HAS(PINNED),
	  .attempts = "p",
	  .kind = KIND(PINNED),
	  .got = HAS(PINNED) },
	{ .name = "pinned wanted, over the limit",
	  .general = IBV_ODP_SUPPORT,
	  .pin_error = ENOMEM,
	  .want = HAS(PINNED),
	  .attempts = "po",
	  .kind = KIND(ON_DEMAND),
	  .reason = WHY(MEMLOCK),
	  .got = HAS(ON_DEMAND),
	  .missing = HAS(PINNED) },
	{ .name = "pinned needed, over the limit",
	  .general = IBV_ODP_SUPPORT,
	  .pin_error = ENOMEM,
	  .need = HAS(PINNED),
	  .attempts = "p",
	  .reason = WHY(MEMLOCK),
	  .missing = HAS(PINNED),
	  .err = ENOMEM },
	{ .name = "on demand needed",
	  .need = HAS(ON_DEMAND),
	  .attempts = "",
	  .reason = WHY(NO_ODP),
	  .missing = HAS(ON_DEMAND),
	  .err = EOPNOTSUPP },
	{ .name = "on demand wanted",
	  .want = HAS(ON_DEMAND),
	  .attempts = "p",
	  .kind = KIND(PINNED),
	  .reason = WHY(NO_ODP),
	  .got = HAS(PINNED),
	  .missing = HAS(ON_DEMAND) },
	{ .name = "prefetch needed",
	  .general = IBV_ODP_SUPPORT,
	  .need = HAS(PREFETCH),
	  .attempts = "o",
	  .kind = KIND(ON_DEMAND),
	  .got = HAS(ON_DEMAND) | HAS(PREFETCH) },
	{ .name = "prefetch needed, none",
	  .general = IBV_ODP_SUPPORT,
	  .kernel_advise = EOPNOTSUPP,
	  .need = HAS(PREFETCH),
	  .attempts = "",
	  .reason = WHY(NO_FEATURE),
	  .missing = HAS(PREFETCH),
	  .err = EOPNOTSUPP },
	{ .name = "prefetch wanted, none",
	  .general = IBV_ODP_SUPPORT,
	  .kernel_advise = EOPNOTSUPP,
	  .want = HAS(PREFETCH),
	  .attempts = "o",
	  .kind = KIND(ON_DEMAND),
	  .got = HAS(ON_DEMAND),
	  .missing = HAS(PREFETCH) },
	{ .name = "prefetch wanted, pinned",
	  .want = HAS(PREFETCH),
	  .attempts = "p",
	  .kind = KIND(PINNED),
	  .reason = WHY(NO_ODP),
	  .got = HAS(PINNED),
	  .missing = HAS(PREFETCH) },
	{ .name = "prefetch needs on demand",
	  .need = HAS(PREFETCH),
	  .attempts = "",
	  .reason = WHY(NO_ODP),
	  .missing = HAS(ON_DEMAND),
	  .err = EOPNOTSUPP },
	{ .name = "what cannot be found out is not there",
	  .general = IBV_ODP_SUPPORT,
	  .pd_error = ENOMEM,
	  .need = HAS(PREFETCH),
	  .attempts = "",
	  .reason = WHY(NO_FEATURE),
	  .missing = HAS(PREFETCH),
	  .err = EOPNOTSUPP },
	{ .name = "two needs, one met",
	  .general = IBV_ODP_SUPPORT,
	  .dmabuf_error = EOPNOTSUPP,
	  .need = HAS(STATS) | HAS(DMABUF),
	  .attempts = "",
	  .reason = WHY(NO_FEATURE),
	  .missing = HAS(DMABUF),
	  .err = EOPNOTSUPP },

	{ .name = "address space",
	  .general = 3,
	  .whole = true,
	  .want = HAS(IMPLICIT),
	  .attempts = "o",
	  .kind = KIND(ON_DEMAND),
	  .got = HAS(ON_DEMAND) | HAS(IMPLICIT) },
	{ .name = "address space, not implicit",
	  .general = IBV_ODP_SUPPORT,
	  .whole = true,
	  .attempts = "",
	  .reason = WHY(NO_IMPLICIT),
	  .err = EOPNOTSUPP },
	{ .name = "address space of softodp, not implicit",
	  .general = IBV_ODP_SUPPORT,
	  .whole = true,
	  .softodp = true,
	  .want = HAS(IMPLICIT),
	  .attempts = "o",
	  .kind = KIND(ON_DEMAND),
	  .reason = WHY(NO_IMPLICIT),
	  .got = HAS(ON_DEMAND),
	  .missing = HAS(IMPLICIT) },
	{ .name = "implicit needed",
	  .general = IBV_ODP_SUPPORT,
	  .whole = true,
	  .softodp = true,
	  .need = HAS(IMPLICIT),
	  .attempts = "",
	  .reason = WHY(NO_IMPLICIT),
	  .missing = HAS(ON_DEMAND) | HAS(IMPLICIT),
	  .err = EOPNOTSUPP },
	{ .name = "address space, no ODP",
	  .whole = true,
	  .softodp = true,
	  .attempts = "",
	  .reason = WHY(NO_ODP),
	  .err = EOPNOTSUPP },

	{ .name = "both needed",
	  .need = HAS(ON_DEMAND) | HAS(PINNED),
	  .attempts = "",
	  .reason = WHY(ARGUMENT),
	  .missing = HAS(ON_DEMAND) | HAS(PINNED),
	  .err = EINVAL },
	{ .name = "both wanted",
	  .want = HAS(ON_DEMAND) | HAS(PINNED),
	  .attempts = "",
	  .reason = WHY(ARGUMENT),
	  .err = EINVAL },
	{ .name = "prefetch of pinned",
	  .need = HAS(PREFETCH) | HAS(PINNED),
	  .attempts = "",
	  .reason = WHY(ARGUMENT),
	  .missing = HAS(ON_DEMAND) | HAS(PINNED),
	  .err = EINVAL },
	{ .name = "no such feature",
	  .want = 1U << 30,
	  .attempts = "",
	  .reason = WHY(ARGUMENT),
	  .err = EINVAL },
	{ .name = "address space, pinned",
	  .whole = true,
	  .want = HAS(PINNED),
	  .attempts = "",
	  .reason = WHY(ARGUMENT),
	  .err = EINVAL },
	{ .name = "implicit, but a range",
	  .need = HAS(IMPLICIT),
	  .attempts = "",
	  .reason = WHY(ARGUMENT),
	  .missing = HAS(ON_DEMAND) | HAS(IMPLICIT),
	  .err = EINVAL },
	{ .name = "address space from 0 on",
	  .general = 3,
	  .whole = true,
	  .flags = F(IOVA),
	  .attempts = "",
	  .reason = WHY(ARGUMENT),
	  .err = EINVAL },
};

/* Where the device is found; with a node_desc as softodp has it, or another. */
static void set_identity(const char *dir, bool softodp)
{
	char path[64];
	FILE *file;

	strcpy(fake.device.ibdev_path, dir);
	snprintf(path, sizeof(path), "%s/node_desc", dir);
	file = fopen(path, "w");
	if (!file)
		exit(2);
	fputs(softodp ? "softodp\n" : "another softodp\n", file);
	fclose(file);
}

static int check_wish(const struct wish *wish, const char *dir)
{
	struct softodp_reg reg = {
		.size = sizeof(reg),
		.addr = wish->whole ? NULL : &fake,
		.length = wish->whole ? SIZE_MAX : 4096,
		.iova = 0x5000,
		.access = RW,
		.flags = wish->flags,
		.need = wish->need,
		.want = wish->want,
	};
	struct ibv_mr *mr;

	fake_reset();
	set_identity(dir, wish->softodp);
	fake.general = wish->general;
	fake.kernel_advise = wish->kernel_advise;
	fake.dmabuf_error = wish->dmabuf_error;
	fake.pd_error = wish->pd_error;
	fake.pin_error = wish->pin_error;
	errno = UNTOUCHED;
	mr = softodp_register(&fake.pd, &reg);
	if (!mr == !!wish->err &&
	    errno == (wish->err ? wish->err : UNTOUCHED) &&
	    !strcmp(fake.attempts, wish->attempts) && reg.kind == wish->kind &&
	    reg.reason == wish->reason && reg.got == wish->got &&
	    reg.missing == wish->missing && fake.mrs == !!mr && !fake.pds &&
	    reg.text == softodp_reason_str(reg.reason) &&
	    (!mr || fake.iova == (uintptr_t)reg.addr))
		return covers("softodp_register", wish->err);
	printf("FAIL %s: attempts \"%s\" kind %d reason %d got %#x missing %#x errno %d\n",
	       wish->name, fake.attempts, reg.kind, reg.reason, reg.got,
	       reg.missing, errno);
	return 1;
}

/* Not implicit, but as good: it reaches the highest address there is. */
static int check_reach(const char *dir)
{
	struct softodp_reg reg = {
		.size = sizeof(reg),
		.length = SIZE_MAX,
	};

	fake_reset();
	set_identity(dir, true);
	return CHECK(softodp_register(&fake.pd, &reg)) ||
	       CHECK(fake.length > (uintptr_t)&reg) || CHECK(!fake.iova);
}

static int check_size(void)
{
	struct softodp_reg reg = { .size = sizeof(reg) - 1 };

	fake_reset();
	return CHECK(!softodp_register(&fake.pd, &reg) && errno == EINVAL);
}

/* --- DMA-BUF --------------------------------------------------------------- */

static int check_dmabuf(int answer, int wanted)
{
	struct ibv_mr *mr;

	fake_reset();
	fake.dmabuf_error = answer;
	errno = UNTOUCHED;
	mr = softodp_reg_dmabuf_mr(&fake.pd, 0, 4096, 0, 3, RW);
	return CHECK(!mr == !!answer &&
		     errno == (answer ? wanted : UNTOUCHED)) ||
	       covers("softodp_reg_dmabuf_mr", wanted);
}

int main(void)
{
	char dir[] = "/tmp/softodp-reg-XXXXXX";
	int failed = 0;

	if (!mkdtemp(dir) || chdir(dir))
		return 2;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		failed += check(&rows[i], false) + check(&rows[i], true);
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		failed += check_wish(&wishes[i], dir);
	failed += check_reach(dir) + check_size();
	failed += check_dmabuf(0, 0) + check_dmabuf(EBADF, EBADF) +
		  check_dmabuf(EINVAL, EINVAL) +
		  check_dmabuf(EOPNOTSUPP, EOPNOTSUPP) +
		  check_dmabuf(ENOSYS, EOPNOTSUPP);
	for (int reason = 0; reason <= SOFTODP_REASON_NO_FEATURE; reason++)
		failed += CHECK(
			strcmp(softodp_reason_str(reason), "unknown reason"));
	failed += CHECK(!strcmp(softodp_reason_str(99), "unknown reason"));
	unlink("node_desc");
	failed += CHECK(!rmdir(dir));
	printf("%d failed\n", failed);
	return failed != 0;
}
