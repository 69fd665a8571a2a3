// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Which hooks the kernel called, from the device's counters. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

const char *const hook_names[HOOKS] = {
	[HOOK_UNMAP] = "unmap",
	[HOOK_CLEAR] = "clear",
	[HOOK_PROT_VMA] = "protection_vma",
	[HOOK_PROT_PAGE] = "protection_page",
	[HOOK_SOFT_DIRTY] = "soft_dirty",
	[HOOK_MIGRATE] = "migrate",
	[HOOK_EXCLUSIVE] = "exclusive",
	[HOOK_OTHER] = "other",
	[HOOK_RELEASE] = "release",
	[HOOK_NONBLOCK] = "nonblock",
};

#define NAMES (HOOKS + 3)

static const char *device;
static bool types;
static struct hook_counts begun;

/*
 * A device of ours has all of them: one that is not there has another name now,
 * and would be 0 for ever. Another driver's may have none.
 */
void counters_needed(const char *dev, const char *const *names, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (device_is_ours(dev) && !counter_exists(dev, names[i]))
			die("%s has no counter %s", dev, names[i]);
}

bool device_is_ours(const char *dev)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/local_shortcut",
		 dev);
	return !access(path, F_OK);
}

/* The names of those that hooks_read() reads. */
static void names_of(const char **names)
{
	static char text[HOOKS][32];
	int i;

	for (i = 0; i < HOOKS; i++) {
		snprintf(text[i], sizeof(text[i]), "hook_%s", hook_names[i]);
		names[i] = text[i];
	}
	names[HOOKS] = "page_faults_handled";
	names[HOOKS + 1] = "page_invalidations";
	names[HOOKS + 2] = "page_invalidations_handled";
}

void hooks_open(const char *dev)
{
	const char *names[NAMES];

	device = dev;
	names_of(names);
	counters_needed(dev, names, NAMES);
	types = counter_exists(dev, names[0]);
}

bool hooks_have_types(void)
{
	return types;
}

void hooks_read(struct hook_counts *c)
{
	const char *names[NAMES];
	uint64_t values[NAMES];

	names_of(names);
	counters(device, names, values, NAMES);
	memcpy(c->hooks, values, sizeof(c->hooks));
	c->faults = values[HOOKS];
	c->invalidations = values[HOOKS + 1];
	c->invalidated = values[HOOKS + 2];
}

void hooks_set(struct run *r, const struct hook_counts *from)
{
	struct hook_counts now;
	int i;

	hooks_read(&now);
	for (i = 0; i < HOOKS; i++)
		r->hooks[i] = now.hooks[i] - from->hooks[i];
	r->faults = now.faults - from->faults;
	r->invalidations = now.invalidations - from->invalidations;
	r->invalidated = now.invalidated - from->invalidated;
}

void hooks_begin(struct run *r)
{
	r->hooks_known = true;
	hooks_read(&begun);
}

void hooks_sample(struct run *r)
{
	hooks_set(r, &begun);
}

bool hooks_seen(const struct run *r, const char **why)
{
	static char text[80];
	const struct scenario *sc = r->sc;
	const char *lacks = NULL;
	int i;

	for (i = 0; i < HOOKS && types; i++) {
		if (!(sc->hooks & 1U << i) || r->hooks[i])
			continue;
		snprintf(text, sizeof(text), "no %s hook came", hook_names[i]);
		lacks = text;
	}
	if (!lacks && !r->invalidations && !(sc->flags & SC_CLEARS_NOTHING))
		lacks = "no invalidation reached a region";
	if (!lacks && !r->invalidated && !(sc->flags & SC_CLEARS_NOTHING))
		lacks = "no page was invalidated";
	if (!lacks && !r->faults && !(sc->flags & SC_NO_FAULTS))
		lacks = "no page was faulted in";
	if (why)
		*why = lacks;
	return !lacks;
}
