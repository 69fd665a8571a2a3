/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The guest around the program: settings, counters, disks, file systems. */
#ifndef STRESS_GUESTSYS_H
#define STRESS_GUESTSYS_H

#include "stress.h"

/* --- files of sysfs, procfs, debugfs ------------------------------ */

/* False, and errno, if the kernel did not take it. */
bool sys_set(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The first number in it; @otherwise if there is none. */
uint64_t sys_get(const char *path, uint64_t otherwise);
/* sys_set() until sys_restore(), which the scenario calls at its end. */
bool sys_set_for_now(const char *path, const char *value);
/* The kernel moves pages on its own account, too: not before sys_restore(). */
void sys_leave_pages(void);
void sys_restore(void);
/* Of /proc/vmstat; 0 if the kernel does not count that. */
uint64_t vmstat(const char *name);
/* A program; false if it failed. Its output is not shown. */
bool command(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- pages -------------------------------------------------------- */

#define PM_SOFT_DIRTY (1ULL << 55)
#define PM_ALONE      (1ULL << 56)
#define PM_SWAPPED    (1ULL << 62)
#define PM_PRESENT    (1ULL << 63)
#define PM_FRAME      ((1ULL << 55) - 1)

/* Words of /proc/self/pagemap. Opens nothing: pagemap_open() first. */
void pagemap_open(void);
void pagemap_read(const void *at, uint64_t *words, unsigned int pages);

/* --- transparent huge pages: huge.c ------------------------------- */

/* Without MADV_COLLAPSE. */
const char *collapse_missing(void);
/* Anonymous, aligned, and wanted in huge pages. */
struct field *field_huge(struct run *r, unsigned int huge_pages);
/* Events: the huge page around a range is put together; is broken up. */
bool huge_collapse(struct field *f, const struct range *g, struct rng *rng);
bool huge_split(struct field *f, const struct range *g, struct rng *rng);

/* --- huge pages from the pool: hugetlb.c -------------------------- */

#define HUGE_POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

const char *pool_missing(void);
/*
 * Makes it so many, until sys_restore(). False: memory is too fragmented, and
 * the scenario skipped.
 */
bool pool_of(struct run *r, unsigned int pages);
/* So many of them, private and not registered yet. */
uint8_t *pool_map(unsigned int huge_pages);

/* --- swap --------------------------------------------------------- */

const char *swap_missing(void);
/* swapon(), before all other swap. */
bool swap_first(const char *path);

struct zram {
	unsigned int id;
	char path[32]; /* of the block device */
};

/* A new one, with swap on it that comes before all other. False: none. */
bool zram_open(struct zram *z, unsigned int megabytes);
void zram_close(struct zram *z);
/* Bytes that it ever held at once. */
uint64_t zram_peak(const struct zram *z);

/* --- file systems ------------------------------------------------- */

/*
 * Mounts a file system of that type, on a loop device unless it is tmpfs, for
 * this process alone; the mount goes with the process. Skips the scenario and
 * returns false if the kernel or the machine has it not. Not while the engine
 * runs.
 */
bool fs_mount(struct run *r, const char *type);
/* A new one on a disk that is there. */
bool fs_mount_on(struct run *r, const char *dev, const char *type,
		 const char *options);
extern const char *const fs_dir;

struct file {
	int fd;
	char path[80];
};

/* A new file there. */
struct file fs_file(const char *name, size_t bytes);
/* A field over all of a file, mapped shared and not registered yet. */
struct field *field_file(struct run *r, int fd, unsigned int pages);

/* A field over a new @file on such a file system, and a pinned one beside. */
bool fs_engine(struct engine *e, struct run *r, const char *type,
	       unsigned int pages, struct file *file);

/* --- engine ------------------------------------------------------- */

/*
 * engine_run(), and each of these counters of /proc/vmstat must have moved
 * while traffic ran. @names ends with NULL.
 */
void engine_run_counting(struct engine *e, const char *const *names);
/*
 * The same up to the reckoning, for who does more before engine_check(); it
 * goes on a while for the sake of @enough(), too, if not NULL.
 */
void engine_count(struct engine *e, const char *const *names,
		  bool (*enough)(void));

#endif
