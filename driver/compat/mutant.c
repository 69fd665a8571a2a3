// SPDX-License-Identifier: GPL-2.0
/* The parameters of a module built with -DSODP_MUTANTS=1; else nothing. */
#include <linux/moduleparam.h>

#ifdef SODP_MUTANTS
#include <linux/cache.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/string.h>

#define WIDEN_MAX 20000U /* microseconds; a softirq may last so long */

enum sodp_mutant sodp_mutant __ro_after_init;
static unsigned int widen[SODP_POINTS];
static unsigned int widens;

static const struct {
	const char *name;
	const char *text;
} mutants[SODP_MUTANT_NUM] = {
	[SODP_MUTANT_NONE] = { "none", "no rule is broken" },
#define M(id, mutant, does) [SODP_MUTANT_##id] = { #mutant, does },
	SODP_MUTANT_LIST(M)
#undef M
};

static int set_mutant(const char *val, const struct kernel_param *kp)
{
	int i;

	for (i = 0; i < SODP_MUTANT_NUM; i++) {
		if (!sysfs_streq(val, mutants[i].name))
			continue;
		sodp_mutant = i;
		pr_notice("softodp: mutant %s: %s\n", mutants[i].name,
			  mutants[i].text);
		return 0;
	}
	pr_err("softodp: there is no mutant '%s'; there are:\n", val);
	for (i = 0; i < SODP_MUTANT_NUM; i++)
		pr_err("softodp:   %-20s %s\n", mutants[i].name,
		       mutants[i].text);
	return -EINVAL;
}

static int get_mutant(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", mutants[sodp_mutant].name);
}

static const struct kernel_param_ops mutant_ops = {
	.set = set_mutant,
	.get = get_mutant,
};

module_param_cb(mutant, &mutant_ops, NULL, 0444);
MODULE_PARM_DESC(mutant, "the rule to break (default: none)");

/*
 * Every other time, and not always the same: a race is between two of the
 * points, and all as long as each other would be as good as none.
 */
void sodp_widen(enum sodp_point point)
{
	unsigned int most = READ_ONCE(widen[widens > 1 ? point : 0]);
	u32 random = get_random_u32();

	if (!most || !(random & 1))
		return;
	most = (random >> 1) % most + 1;
	if (point <= SODP_AT_TRANSFER)
		udelay(most);
	else
		usleep_range(most, most);
}

static int set_usec(const char *val, const struct kernel_param *kp)
{
	int err = param_set_uint_minmax(val, kp, 0, WIDEN_MAX);

	if (err)
		pr_err("softodp: widen is 0 to %u microseconds, not '%s'\n",
		       WIDEN_MAX, val);
	return err;
}

/* What module_param_array() wants of a type that it does not know. */
#define param_check_usec(name, p) __param_check(name, p, unsigned int)

static const struct kernel_param_ops param_ops_usec = {
	.set = set_usec,
	.get = param_get_uint,
};

module_param_array(widen, usec, &widens, 0644);
MODULE_PARM_DESC(widen, "microseconds that races may stay open: one for all, "
			"or leaf,transfer,install,start,end (default: 0)");
#endif
