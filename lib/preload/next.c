// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <dlfcn.h>
#include <pthread.h>

#include "next.h"

/* Held over fork(), for the loader's own lock is taken under it. */
static pthread_mutex_t finding = PTHREAD_MUTEX_INITIALIZER;

/*
 * The next one in the global scope, so that other preloaded libraries work; or
 * that of a libibverbs which a plugin brought and nobody else sees.
 */
static void *look_up(const char *name, const char *version)
{
	/* Never closed again: what is known must not go away. */
	void *library = dlopen("libibverbs.so.1", RTLD_LAZY | RTLD_NOLOAD);
	void *found = dlvsym(RTLD_NEXT, name, version);

	if (!found && library)
		found = dlvsym(library, name, version);
	return found;
}

void *next_find(struct next *next)
{
	void *found = atomic_load(&next->found);

	if (found)
		return found;
	pthread_mutex_lock(&finding);
	found = atomic_load(&next->found);
	if (!found) {
		found = look_up(next->name, next->version);
		atomic_store(&next->found, found);
	}
	pthread_mutex_unlock(&finding);
	return found;
}

void next_before_fork(void)
{
	pthread_mutex_lock(&finding);
}

void next_after_fork(void)
{
	pthread_mutex_unlock(&finding);
}
