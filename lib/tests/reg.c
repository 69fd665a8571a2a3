// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * softodp_reg_mr()'s choice, against a made-up device: for each row, which
 * attempts are made in which order, what comes out and with which reason.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <softodp/softodp.h>

enum {
	RC_ALL = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV |
		 IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_READ |
		 IBV_ODP_SUPPORT_ATOMIC,
	LW = IBV_ACCESS_LOCAL_WRITE,
	RW = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	RR = IBV_ACCESS_REMOTE_READ,
	AT = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC,
	OD = IBV_ACCESS_ON_DEMAND,
};

/* The device: what it says, and what registration answers. */
static struct {
	uint64_t general;
	uint32_t rc, ud;
	int query_error, odp_error, pin_error;
	char attempts[8]; /* o: on demand, p: pinned */
	uint64_t iova;
	struct ibv_mr mr;
} device;

static int query(struct ibv_context *context,
		 const struct ibv_query_device_ex_input *input,
		 struct ibv_device_attr_ex *attr, size_t size)
{
	(void)context, (void)input, (void)size;
	attr->odp_caps.general_caps = device.general;
	attr->odp_caps.per_transport_caps.rc_odp_caps = device.rc;
	attr->odp_caps.per_transport_caps.ud_odp_caps = device.ud;
	return device.query_error;
}

/* Takes the place of libibverbs' own. */
struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length,
				uint64_t iova, unsigned int access)
{
	const int error = access & OD ? device.odp_error : device.pin_error;

	(void)pd, (void)addr, (void)length;
	device.iova = iova;
	device.attempts[strlen(device.attempts)] = access & OD ? 'o' : 'p';
	if (!error)
		return &device.mr;
	errno = error;
	return NULL;
}

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

static int check(const struct row *row)
{
	struct verbs_context vctx = {
		.sz = sizeof(vctx),
		.query_device_ex = query,
		.context.abi_compat = __VERBS_ABI_IS_EXTENDED,
	};
	struct ibv_pd pd = { .context = &vctx.context };
	struct softodp_reg_result why;
	struct ibv_mr *mr;
	const int untouched = ESTALE;

	memset(&device, 0, sizeof(device));
	device.general = row->general;
	device.rc = row->rc;
	device.ud = row->ud;
	device.query_error = row->query_error;
	device.odp_error = row->odp_error;
	device.pin_error = row->pin_error;
	errno = untouched;
	mr = softodp_reg_mr_iova(&pd, &device, 4096, 0x5000, row->access,
				 row->flags, &why);
	if (!mr == (row->kind == SOFTODP_KIND_NONE) &&
	    errno == (row->err ? row->err : untouched) &&
	    !strcmp(device.attempts, row->attempts) && why.kind == row->kind &&
	    why.reason == row->reason && why.error == row->error &&
	    (!device.attempts[0] || device.iova == 0x5000))
		return 0;
	printf("FAIL %s: attempts \"%s\" kind %d reason %d error %d errno %d\n",
	       row->name, device.attempts, why.kind, why.reason, why.error,
	       errno);
	return 1;
}

int main(void)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		failed += check(&rows[i]);
	for (int reason = 0; reason <= SOFTODP_REASON_ARGUMENT; reason++)
		if (!strcmp(softodp_reason_str(reason), "unknown reason"))
			failed++;
	if (strcmp(softodp_reason_str(99), "unknown reason"))
		failed++;
	printf("%d failed\n", failed);
	return failed != 0;
}
