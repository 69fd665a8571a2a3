// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* softodp_rereg_mr(): what ibv_rereg_mr()'s codes and the kernel's mean. */
#include <errno.h>

#include "fake.h"

enum {
	TRANSLATION = IBV_REREG_MR_CHANGE_TRANSLATION,
	ACCESS = IBV_REREG_MR_CHANGE_ACCESS,
	DOMAIN = IBV_REREG_MR_CHANGE_PD,
	/* The provider has none. */
	NONE = IBV_REREG_MR_ERR_CMD,
};

#define STATE(s) SOFTODP_REREG_##s

static const struct row {
	const char *name;
	int flags;
	int code, code_errno; /* of ibv_rereg_mr() */
	int kernel; /* the kernel's errno value */
	int fork_calls_left;
	int err; /* 0: done */
	enum softodp_rereg_state state;
	bool by_kernel;
} rows[] = {
	{ "by the provider", ACCESS, 0, 0, 0, 0, 0, STATE(CHANGED), false },
	{ "no flag", 0, 0, 0, 0, 0, EINVAL, STATE(UNCHANGED), false },
	{ "unknown flag", 8, 0, 0, 0, 0, EINVAL, STATE(UNCHANGED), false },
	{ "bad input", TRANSLATION, IBV_REREG_MR_ERR_INPUT, EINVAL, 0, 0,
	  EINVAL, STATE(UNCHANGED), false },
	{ "bad input without errno", TRANSLATION, IBV_REREG_MR_ERR_INPUT, 0, 0,
	  0, EINVAL, STATE(UNCHANGED), false },
	{ "new memory cannot be kept from children", TRANSLATION,
	  IBV_REREG_MR_ERR_DONT_FORK_NEW, ENOMEM, 0, 0, ENOMEM,
	  STATE(UNCHANGED), false },
	{ "old memory cannot be given back to them", TRANSLATION,
	  IBV_REREG_MR_ERR_DO_FORK_OLD, ENOMEM, 0, 0, ENOMEM, STATE(CHANGED),
	  false },
	{ "failed half way", ACCESS, IBV_REREG_MR_ERR_CMD, EIO, 0, 0, EIO,
	  STATE(LOST), false },
	{ "failed half way, and for children", TRANSLATION,
	  IBV_REREG_MR_ERR_CMD_AND_DO_FORK_NEW, EIO, 0, 0, EIO, STATE(LOST),
	  false },
	{ "a provider's errno value", ACCESS, EBUSY, 0, 0, 0, EBUSY,
	  STATE(LOST), false },
	{ "no right to write", ACCESS, IBV_REREG_MR_ERR_CMD, EPERM, 0, 0, EPERM,
	  STATE(LOST), false },

	{ "rights, by the kernel", ACCESS, NONE, EOPNOTSUPP, 0, 0, 0,
	  STATE(CHANGED), true },
	{ "domain, by the kernel", DOMAIN, NONE, ENOSYS, 0, 0, 0,
	  STATE(CHANGED), true },
	{ "addresses, by the kernel", TRANSLATION, NONE, EOPNOTSUPP, 0, 0, 0,
	  STATE(CHANGED), true },
	{ "nobody can", ACCESS, NONE, EOPNOTSUPP, EOPNOTSUPP, 0, EOPNOTSUPP,
	  STATE(UNCHANGED), false },
	{ "no such command", ACCESS, NONE, ENOSYS, EPROTONOSUPPORT, 0,
	  EOPNOTSUPP, STATE(UNCHANGED), false },
	{ "kernel fails", ACCESS, NONE, EOPNOTSUPP, EBUSY, 0, EBUSY,
	  STATE(LOST), false },
	{ "no right to write, by the kernel", ACCESS, NONE, EOPNOTSUPP, EPERM,
	  0, EPERM, STATE(LOST), false },
	{ "over the limit, by the kernel", ACCESS, NONE, EOPNOTSUPP, ENOMEM, 0,
	  ENOMEM, STATE(LOST), false },
	{ "kernel, new memory and children", TRANSLATION, NONE, EOPNOTSUPP, 0,
	  1, ENOMEM, STATE(UNCHANGED), false },
	{ "kernel, old memory and children", TRANSLATION, NONE, EOPNOTSUPP, 0,
	  2, ENOMEM, STATE(CHANGED), true },
	{ "kernel fails, and for children", TRANSLATION, NONE, EOPNOTSUPP, EIO,
	  2, EIO, STATE(LOST), false },
};

static bool as_it_should_be(const struct row *row, const struct ibv_pd *pd,
			    const void *addr)
{
	const struct ibv_mr *mr = &fake.mr;

	if (!row->by_kernel)
		return !mr->lkey && !mr->addr && mr->pd == &fake.pd;
	return mr->lkey == 0x111 && mr->rkey == 0x222 &&
	       mr->pd == (row->flags & DOMAIN ? pd : &fake.pd) &&
	       mr->addr == (row->flags & TRANSLATION ? addr : NULL) &&
	       mr->length == (row->flags & TRANSLATION ? 4096U : 0U) &&
	       fake.rereg_flags == row->flags;
}

static int check(const struct row *row)
{
	struct ibv_pd pd = { .context = &fake.verbs.context };
	enum softodp_rereg_state state = (enum softodp_rereg_state)99;
	int ret;

	fake_reset();
	fake.rereg_code = row->code;
	fake.rereg_errno = row->code_errno;
	fake.kernel_rereg = row->kernel;
	fake.fork_calls_left = row->fork_calls_left;
	errno = UNTOUCHED;
	ret = softodp_rereg_mr(&fake.mr, row->flags, &pd, &pd, 4096, RW,
			       &state);
	if (ret == (row->err ? -1 : 0) && state == row->state &&
	    errno == (row->err ? row->err : UNTOUCHED) &&
	    as_it_should_be(row, &pd, &pd))
		return covers("softodp_rereg_mr", row->err);
	printf("FAIL %s: %d, errno %d, state %d\n", row->name, ret, errno,
	       state);
	return 1;
}

/* What libibverbs does not look at. */
static int check_domains(void)
{
	struct ibv_context other = { .device = NULL };
	struct ibv_pd pd = { .context = &other };
	enum softodp_rereg_state state = SOFTODP_REREG_LOST;

	fake_reset();
	return CHECK(softodp_rereg_mr(&fake.mr, DOMAIN, NULL, NULL, 0, 0,
				      &state) == -1 &&
		     errno == EINVAL && state == SOFTODP_REREG_UNCHANGED) ||
	       CHECK(softodp_rereg_mr(&fake.mr, DOMAIN, &pd, NULL, 0, 0,
				      NULL) == -1 &&
		     errno == EINVAL && !fake.rereg_flags);
}

/* Another ABI: not what the kernel says, but that there is no such thing. */
static int check_foreign(void)
{
	enum softodp_rereg_state state;

	fake_reset();
	fake.foreign_abi = true;
	fake.rereg_code = NONE;
	fake.rereg_errno = EOPNOTSUPP;
	return CHECK(softodp_rereg_mr(&fake.mr, ACCESS, NULL, NULL, 0, RW,
				      &state) == -1 &&
		     errno == EOPNOTSUPP && state == SOFTODP_REREG_UNCHANGED);
}

int main(void)
{
	int failed = check_domains() + check_foreign();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		failed += check(&rows[i]);
	printf("%d failed\n", failed);
	return failed != 0;
}
