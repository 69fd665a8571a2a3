// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory that is not ordinary: not all of it can be had, and never by force. */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

#define PAGES 16

static struct ibv_mr *try_region(struct run *r, void *at, size_t len,
				 int access)
{
	return (ibv_reg_mr)(r->dev.pd, at, len, access | IBV_ACCESS_ON_DEMAND);
}

static void gone(struct run *r, struct ibv_mr *mr)
{
	if (ibv_dereg_mr(mr))
		fail(r, "dereg_mr: %s", strerror(errno));
}

/* Registering it may fail; if it does not, each access does. */
static void out_of_reach(struct run *r, struct probe *p, void *at,
			 const char *what)
{
	struct ibv_mr *mr = try_region(r, at, PAGE, RD_ALL);

	if (!mr) {
		if (errno == ENOMEM)
			fail(r, "%s: reg_mr: %s", what, strerror(errno));
		return;
	}
	probe_refused(p, mr, at, false, what);
	probe_refused(p, mr, at, true, what);
	gone(r, mr);
	note_events(r, 1);
}

/* The refusals are not worth much if nothing works. */
static void in_reach(struct run *r, struct probe *p)
{
	uint8_t *at = map_anon(PAGE);
	struct ibv_mr *mr =
		rd_reg(&r->dev, at, PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);

	probe_works(p, mr, at, true, "of ordinary memory");
	gone(r, mr);
	munmap(at, PAGE);
}

/* Rounds of it, until the time is over. */
static void rounds(struct run *r,
		   void (*fn)(struct run *r, struct probe *p, struct rng *g))
{
	uint64_t end = now_ms() + r->ms;
	struct rng g = { r->seed };
	struct probe p;

	probe_open(&p, r, 0);
	hooks_begin(r);
	do {
		fn(r, &p, &g);
	} while (now_ms() < end && !failed(r));
	hooks_sample(r);
	if (!failed(r))
		probe_close(&p);
}

/* A mapping of a device's registers: addresses without struct pages. */
static void *map_registers(void)
{
	void *at = MAP_FAILED;
	glob_t g = {};
	size_t i;
	int fd;

	glob("/sys/bus/pci/devices/*/resource[0-9]", 0, NULL, &g);
	for (i = 0; i < g.gl_pathc && at == MAP_FAILED; i++) {
		fd = open(g.gl_pathv[i], O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  0);
		close(fd);
	}
	globfree(&g);
	return at;
}

static const char *no_registers(void)
{
	void *at = map_registers();

	if (at == MAP_FAILED)
		return "no device's registers can be mapped";
	munmap(at, PAGE);
	return NULL;
}

static void registers_round(struct run *r, struct probe *p, struct rng *g)
{
	void *at = map_registers();

	(void)g;
	if (at == MAP_FAILED) {
		fail(r, "a device's registers: %s", strerror(errno));
		return;
	}
	out_of_reach(r, p, at, "a device's registers");
	munmap(at, PAGE);
	in_reach(r, p);
}

static void registers_run(struct run *r)
{
	rounds(r, registers_round);
}

SCENARIO(registers) = {
	.name = "out-of-reach-registers",
	.rows = "38",
	.what = "a device's registers: a clean refusal",
	.missing = no_registers,
	.run = registers_run,
	.hooks = ANY,
	.flags = SC_OWN_TRAFFIC | SC_CLEARS_NOTHING,
};

/* --- secret memory -------------------------------------------------- */

static const char *no_secret(void)
{
	int fd = syscall(SYS_memfd_secret, 0);

	if (fd < 0)
		return "no memfd_secret (secretmem.enable=1 at boot)";
	close(fd);
	return NULL;
}

static void secret_round(struct run *r, struct probe *p, struct rng *g)
{
	int fd = syscall(SYS_memfd_secret, 0);
	uint8_t *at;

	(void)g;
	if (fd < 0 || ftruncate(fd, PAGE))
		die("secretmem: %s", strerror(errno));
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		die("mmap of secretmem: %s", strerror(errno));
	*at = 7;
	out_of_reach(r, p, at, "secret memory");
	if (*at != 7)
		fail(r, "secret memory was written to");
	munmap(at, PAGE);
	close(fd);
	in_reach(r, p);
}

static void secret_run(struct run *r)
{
	rounds(r, secret_round);
}

SCENARIO(secret) = {
	.name = "out-of-reach-secret",
	.rows = "38",
	.what = "secret memory: a clean refusal",
	.missing = no_secret,
	.run = secret_run,
	.hooks = ANY,
	.flags = SC_OWN_TRAFFIC | SC_CLEARS_NOTHING,
};

/* --- guards --------------------------------------------------------- */

/* Newer than the headers that this is built with: Linux 6.13. */
#define GUARD_INSTALL 102
#define GUARD_REMOVE  103

static const char *no_marker(void)
{
	uint8_t *at = map_anon(PAGE);
	bool none = madvise(at, PAGE, GUARD_INSTALL) && errno == EINVAL;

	munmap(at, PAGE);
	return none ? "no MADV_GUARD_INSTALL (Linux 6.13)" : NULL;
}

/* A guard in the page table alone: what was there is gone for good. */
static void marker_round(struct run *r, struct probe *p, struct rng *g)
{
	unsigned int n = 1 + below(g, PAGES - 2);
	uint8_t *at = map_anon(PAGES * PAGE), *guard = at + n * PAGE;
	struct ibv_mr *mr = rd_reg(&r->dev, at, PAGES * PAGE,
				   RD_ALL | IBV_ACCESS_ON_DEMAND);

	memset(at, 5, PAGES * PAGE);
	probe_works(p, mr, guard, true, "before it is guarded");
	if (madvise(guard, PAGE, GUARD_INSTALL))
		fail(r, "MADV_GUARD_INSTALL: %s", strerror(errno));
	probe_refused(p, mr, guard, false, "of a guard marker");
	probe_refused(p, mr, guard, true, "of a guard marker");
	probe_works(p, mr, guard - 8, true, "beside a guard marker");
	probe_works(p, mr, guard + PAGE, true, "behind a guard marker");
	if (madvise(guard, PAGE, GUARD_REMOVE))
		fail(r, "MADV_GUARD_REMOVE: %s", strerror(errno));
	if (probe_read(p, mr, guard, PAGE) || p->buf[0] || p->buf[PAGE - 1])
		fail(r, "a READ of what a guard marker left: no zeros");
	note_events(r, 1);
	gone(r, mr);
	munmap(at, PAGES * PAGE);
}

static void marker_run(struct run *r)
{
	rounds(r, marker_round);
}

SCENARIO(marker) = {
	.name = "out-of-reach-marker",
	.rows = "38",
	.what = "a guard marker: a clean refusal, and zeros when it has gone",
	.missing = no_marker,
	.run = marker_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

/* A guard page among others: it, and not its neighbours. */
static void guard_round(struct run *r, struct probe *p, struct rng *g)
{
	unsigned int n = 1 + below(g, PAGES - 2);
	uint8_t *at = map_anon(PAGES * PAGE), *guard = at + n * PAGE;
	struct ibv_mr *mr = rd_reg(&r->dev, at, PAGES * PAGE,
				   RD_ALL | IBV_ACCESS_ON_DEMAND);

	memset(at, 5, PAGES * PAGE);
	probe_works(p, mr, guard, true, "before it is guarded");
	if (mprotect(guard, PAGE, PROT_NONE))
		die("mprotect: %s", strerror(errno));
	probe_refused(p, mr, guard, false, "of a guard page");
	probe_refused(p, mr, guard, true, "of a guard page");
	probe_works(p, mr, guard - 8, true, "beside a guard page");
	probe_works(p, mr, guard + PAGE, true, "behind a guard page");
	if (mprotect(guard, PAGE, PROT_READ | PROT_WRITE))
		die("mprotect: %s", strerror(errno));
	probe_works(p, mr, guard, false, "that is no guard any more");
	note_events(r, 1);
	gone(r, mr);
	munmap(at, PAGES * PAGE);
}

static void guard_run(struct run *r)
{
	rounds(r, guard_round);
}

SCENARIO(guard) = {
	.name = "out-of-reach",
	.rows = "38",
	.what = "a guard page among others: a clean refusal",
	.run = guard_run,
	.hooks = PROT_VMA,
	.flags = SC_OWN_TRAFFIC,
};

/* --- text and constants -------------------------------------------- */

static const uint8_t constants[4 * PAGE] __attribute__((aligned(PAGE))) = {
	[0] = 1,
	[100] = 2,
	[PAGE + 7] = 3,
	[4 * PAGE - 1] = 4,
};

/* The peer READs it, it is the source of what is sent; nobody WRITEs it. */
static void only_read(struct run *r, struct probe *p, const uint8_t *at,
		      size_t len, const char *what)
{
	static uint8_t was[4 * PAGE];
	struct ibv_mr *mr =
		try_region(r, (void *)at, len, IBV_ACCESS_REMOTE_READ);
	struct ibv_mr *both;
	int status;

	memcpy(was, at, len);
	if (!mr) {
		fail(r, "%s: reg_mr: %s", what, strerror(errno));
		return;
	}
	if (probe_read(p, mr, at, len) || memcmp(p->buf, was, len))
		fail(r, "a READ of %s failed, or is wrong", what);
	probe_refused(p, mr, at, true, what);
	status = rd_write(&p->owner, (uintptr_t)at, mr->lkey, len,
			  (uintptr_t)p->buf + len, p->mr->rkey,
			  10 * r->limit_ms);
	if (status || memcmp(p->buf + len, was, len))
		fail(r, "%s as the source of a WRITE: %s", what,
		     rd_status(status));
	note_ops(r, OP_WRITE_FROM, 1);
	gone(r, mr);
	/* A region that may be written does not make the pages so. */
	both = try_region(r, (void *)at, len, RD_ALL);
	if (both) {
		probe_refused(p, both, at, true, what);
		probe_works(p, both, at, false, what);
		gone(r, both);
	}
	if (memcmp(at, was, len))
		fail(r, "%s has changed", what);
	note_events(r, 1);
}

static void text_round(struct run *r, struct probe *p, struct rng *g)
{
	const uint8_t *code = (const uint8_t *)((uintptr_t)rd_open & -PAGE);

	(void)g;
	only_read(r, p, constants, sizeof(constants), "constants");
	only_read(r, p, code, PAGE, "code");
	/* What the device has of it goes, and comes back. */
	if (madvise((void *)constants, sizeof(constants), MADV_DONTNEED))
		fail(r, "MADV_DONTNEED: %s", strerror(errno));
}

static void text_run(struct run *r)
{
	rounds(r, text_round);
}

SCENARIO(text) = {
	.name = "text",
	.rows = "39",
	.what = "code and constants: READ and sent from, never written",
	.run = text_run,
	.hooks = ANY,
	.flags = SC_OWN_TRAFFIC | SC_CLEARS_NOTHING,
};

/* --- a debugger's writes ------------------------------------------- */

#define TRACING "/sys/kernel/tracing/"
#define SPOT	128 /* where the probe goes, and the poke */

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A file of instructions that do nothing, mapped as a program's text is. */
static uint8_t *nops(char *path, size_t room, int *fd)
{
	uint8_t page[PAGE];
	uint8_t *at;

	*fd = memfd_create("nops", MFD_CLOEXEC);
	memset(page, 0x90, PAGE);
	if (*fd < 0 || write(*fd, page, PAGE) != (ssize_t)PAGE)
		die("memfd: %s", strerror(errno));
	at = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, *fd, 0);
	if (at == MAP_FAILED)
		die("text: %s", strerror(errno));
	snprintf(path, room, "/proc/%d/fd/%d", getpid(), *fd);
	return at;
}

static void expect(struct run *r, struct probe *p, const struct ibv_mr *mr,
		   const uint8_t *at, uint8_t byte, const char *when)
{
	uint8_t want[PAGE];
	ssize_t bad;

	memset(want, 0x90, PAGE);
	want[SPOT] = byte;
	if (probe_read(p, mr, at, PAGE)) {
		fail(r, "a READ %s failed", when);
		return;
	}
	bad = first_difference(p->buf, want, PAGE);
	if (bad >= 0)
		fail(r, "a READ %s: byte %zd is %#x, not %#x", when, bad,
		     p->buf[bad], want[bad]);
	bad = first_difference(at, want, PAGE);
	if (bad >= 0)
		fail(r, "a load %s: byte %zd is %#x, not %#x", when, bad,
		     at[bad], want[bad]);
}

/* As a debugger does: into what the process itself may not write. */
static void poke(struct run *r, const uint8_t *at, uint8_t byte)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, &byte, 1, (uintptr_t)at + SPOT) != 1)
		fail(r, "/proc/self/mem: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static bool uprobe(const char *path, bool on)
{
	static bool made;
	char text[120];

	if (!made) {
		snprintf(text, sizeof(text), "p:sodp/nop %s:%#x", path, SPOT);
		made = put(TRACING "uprobe_events", text);
		if (!made)
			return false;
	}
	return put(TRACING "events/sodp/nop/enable", on ? "1" : "0");
}

static void poke_round(struct run *r, struct probe *p, const struct ibv_mr *mr,
		       uint8_t *at, const char *path)
{
	(void)path;
	expect(r, p, mr, at, 0x90, "of text");
	poke(r, at, 0xf4);
	expect(r, p, mr, at, 0xf4, "after a poke");
}

static void uprobe_round(struct run *r, struct probe *p,
			 const struct ibv_mr *mr, uint8_t *at, const char *path)
{
	expect(r, p, mr, at, 0x90, "of text");
	if (!uprobe(path, true)) {
		fail(r, "no uprobe: %s", strerror(errno));
		return;
	}
	expect(r, p, mr, at, 0xcc, "with a uprobe");
	if (!uprobe(path, false))
		fail(r, "the uprobe stays: %s", strerror(errno));
	expect(r, p, mr, at, 0x90, "without the uprobe");
}

static void text_events(struct run *r,
			void (*fn)(struct run *r, struct probe *p,
				   const struct ibv_mr *mr, uint8_t *at,
				   const char *path))
{
	uint64_t end = now_ms() + r->ms;
	struct ibv_mr *mr;
	struct probe p;
	char path[60];
	uint8_t *at;
	int fd;

	at = nops(path, sizeof(path), &fd);
	mr = try_region(r, at, PAGE, IBV_ACCESS_REMOTE_READ);
	if (!mr)
		die("reg_mr: %s", strerror(errno));
	probe_open(&p, r, 0);
	hooks_begin(r);
	do {
		fn(r, &p, mr, at, path);
		/* The file's page again. */
		if (madvise(at, PAGE, MADV_DONTNEED))
			fail(r, "MADV_DONTNEED: %s", strerror(errno));
		note_events(r, 1);
	} while (now_ms() < end && !failed(r));
	hooks_sample(r);
	close(fd);
	if (failed(r))
		return;
	gone(r, mr);
	probe_close(&p);
}

static void debugger_run(struct run *r)
{
	text_events(r, poke_round);
}

SCENARIO(debugger) = {
	.name = "debugger",
	.rows = "40",
	.what = "pokes into text: the device sees what the CPU does",
	.run = debugger_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};

static const char *no_uprobes(void)
{
	return access(TRACING "uprobe_events", W_OK) ?
		       "no uprobes in " TRACING :
		       NULL;
}

static void uprobe_run(struct run *r)
{
	text_events(r, uprobe_round);
	put(TRACING "uprobe_events", "-:sodp/nop");
}

SCENARIO(uprobe) = {
	.name = "uprobe",
	.rows = "40",
	.what = "uprobes in text: the device sees what the CPU does",
	.missing = no_uprobes,
	.run = uprobe_run,
	.hooks = CLEAR,
	.flags = SC_OWN_TRAFFIC,
};
