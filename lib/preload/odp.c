// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Preloaded into a program that knows nothing of on-demand paging: what it
 * registers is registered on demand where the device can, else as it asked.
 *
 * Keeps nothing about devices, so that threads and forks need no thought;
 * asking the device each time costs less than the registration. It is not
 * linked with libibverbs: most processes that it gets into (the shell that
 * starts the program) have none.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../caps.h"
#include "next.h"
#include "settings.h"

/* The header makes these macros around the functions that stand in for it. */
#undef ibv_reg_mr
#undef ibv_reg_mr_iova

typedef struct ibv_mr *reg_fn(struct ibv_pd *pd, void *addr, size_t length,
			      uint64_t iova, unsigned int access);

reg_fn softodp_odp_untouched;

/* What became of a registration. Reasons of softodp.h, and some of our own. */
enum outcome {
	ON_DEMAND = SOFTODP_REASON_FIRST_CHOICE,
	ITSELF = SOFTODP_REASON_ARGUMENT + 1,
	OTHER_DEVICE,
	SMALL,
	OUTCOMES,
};

static struct settings settings;
static struct {
	atomic_ulong regions;
	atomic_ulong bytes;
	atomic_ulong failed; /* registrations that were not to be had at all */
} counts[OUTCOMES];

static const char *outcome_str(unsigned int outcome)
{
	switch (outcome) {
	case ON_DEMAND:
		return "on demand";
	case ITSELF:
		return "on demand, as the program asked itself";
	case OTHER_DEVICE:
		return "unchanged: not a device of SOFTODP_ODP_DEVICES";
	case SMALL:
		return "unchanged: smaller than SOFTODP_ODP_MIN_SIZE";
	default:
		return softodp_reason_str(outcome);
	}
}

/* One write for a line, so that those of several processes do not mix. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[512];
	va_list args;
	int n, more;

	n = snprintf(line, sizeof(line) - 1,
		     "softodp-odp: %s[%d]: ", program_invocation_short_name,
		     (int)getpid());
	va_start(args, format);
	more = vsnprintf(line + n, sizeof(line) - 1 - n, format, args);
	va_end(args);
	n += more;
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody to tell */
}

static void count(enum outcome outcome, const struct ibv_mr *mr,
		  const struct ibv_pd *pd, const void *addr, size_t length)
{
	if (mr) {
		atomic_fetch_add(&counts[outcome].regions, 1);
		atomic_fetch_add(&counts[outcome].bytes, length);
	} else {
		atomic_fetch_add(&counts[outcome].failed, 1);
	}
	if (settings.verbose < 2)
		return;
	say("%s: %zu bytes at %p: %s%s%s", pd->context->device->name, length,
	    addr, outcome_str(outcome),
	    mr ? "" : "; failed: ", mr ? "" : strerrordesc_np(errno));
}

/* --- libibverbs ------------------------------------------------------------ */

static struct next reg_mr = NEXT("ibv_reg_mr_iova2", "IBVERBS_1.8");

static reg_fn *find_untouched(void)
{
	reg_fn *fn = (reg_fn *)next_find(&reg_mr);

	if (!fn)
		say("this libibverbs has no ibv_reg_mr_iova2: rdma-core 28 or newer is needed");
	return fn;
}

/* --- what the program calls ------------------------------------------------ */

struct ibv_mr *softodp_odp_untouched(struct ibv_pd *pd, void *addr,
				     size_t length, uint64_t iova,
				     unsigned int access)
{
	reg_fn *untouched = find_untouched();

	if (!untouched) {
		errno = ENOSYS;
		return NULL;
	}
	return untouched(pd, addr, length, iova, access);
}

/* Why it shall not be tried at all; ON_DEMAND: it shall. */
static enum outcome consider(const struct ibv_pd *pd, size_t length,
			     unsigned int access)
{
	int error;

	if (access & IBV_ACCESS_ON_DEMAND)
		return ITSELF;
	if (!settings_device(&settings, pd->context->device->name))
		return OTHER_DEVICE;
	if (length < settings.min_size)
		return SMALL;
	return (enum outcome)caps_ask(pd->context, access, settings.transports,
				      &error);
}

static struct ibv_mr *reg(struct ibv_pd *pd, void *addr, size_t length,
			  uint64_t iova, unsigned int access)
{
	const int saved = errno;
	enum outcome outcome = consider(pd, length, access);
	struct ibv_mr *mr = NULL;

	if (outcome == ON_DEMAND) {
		mr = softodp_odp_untouched(pd, addr, length, iova,
					   access | IBV_ACCESS_ON_DEMAND);
		if (!mr)
			outcome = (enum outcome)SOFTODP_REASON_ODP_REFUSED;
	}
	if (!mr)
		mr = softodp_odp_untouched(pd, addr, length, iova, access);
	count(outcome, mr, pd, addr, length);
	if (mr)
		errno = saved;
	return mr;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length,
				uint64_t iova, unsigned int access)
{
	return reg(pd, addr, length, iova, access);
}

struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length,
			       uint64_t iova, int access)
{
	return reg(pd, addr, length, iova, access);
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
			  int access)
{
	return reg(pd, addr, length, (uintptr_t)addr, access);
}

/* --- start and end --------------------------------------------------------- */

/* A child answers for what it registers itself. */
static void begin_child(void)
{
	next_after_fork();
	for (size_t i = 0; i < OUTCOMES; i++) {
		atomic_store(&counts[i].regions, 0);
		atomic_store(&counts[i].bytes, 0);
		atomic_store(&counts[i].failed, 0);
	}
}

__attribute__((constructor)) static void start(void)
{
	settings_read(&settings);
	pthread_atfork(next_before_fork, next_after_fork, begin_child);
}

__attribute__((destructor)) static void report(void)
{
	if (!settings.verbose)
		return;
	for (unsigned int i = 0; i < OUTCOMES; i++) {
		const unsigned long regions = atomic_load(&counts[i].regions);
		const unsigned long failed = atomic_load(&counts[i].failed);

		if (regions)
			say("%lu region%s, %lu bytes: %s", regions,
			    regions == 1 ? "" : "s",
			    atomic_load(&counts[i].bytes), outcome_str(i));
		if (failed)
			say("%lu registration%s failed: %s", failed,
			    failed == 1 ? "" : "s", outcome_str(i));
	}
}
