/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stress: a scenario is a mapping whose pages the device reads and writes
 * from several threads, and something that happens to the mapping meanwhile.
 *
 * The words: a *field* is a mapping with a model that says what every byte of
 * it must be; *traffic* is what threads do to it through the device and by the
 * CPU; an *event* is what a scenario does to a range of its pages, which is
 * *disturbed* while the call is under way.
 */
#ifndef STRESS_H
#define STRESS_H

#include <pthread.h>
#include <stdatomic.h>

#include "prefetch.h"
#include "stamp.h"
#include "verbs.h"

/* --- scenarios ---------------------------------------------------- */

/* Why the kernel called, after the device's counters hook_*. */
enum hook {
	HOOK_UNMAP,
	HOOK_CLEAR,
	HOOK_PROT_VMA,
	HOOK_PROT_PAGE,
	HOOK_SOFT_DIRTY,
	HOOK_MIGRATE,
	HOOK_EXCLUSIVE,
	HOOK_OTHER,
	HOOK_RELEASE,
	HOOK_NONBLOCK,
	HOOKS
};

#define UNMAP	   (1U << HOOK_UNMAP)
#define CLEAR	   (1U << HOOK_CLEAR)
#define PROT_VMA   (1U << HOOK_PROT_VMA)
#define PROT_PAGE  (1U << HOOK_PROT_PAGE)
#define SOFT_DIRTY (1U << HOOK_SOFT_DIRTY)
#define MIGRATE	   (1U << HOOK_MIGRATE)
#define EXCLUSIVE  (1U << HOOK_EXCLUSIVE)
#define RELEASE	   (1U << HOOK_RELEASE)
#define NONBLOCK   (1U << HOOK_NONBLOCK)
#define ANY	   0U /* whichever: something was invalidated in a region */

enum scenario_flags {
	/* No region lost an entry, and that is the point. */
	SC_CLEARS_NOTHING = 1 << 0,
	/* run() opens no device itself; children of its own do. */
	SC_NO_DEVICE = 1 << 1,
	/* No traffic by the engine: run() counts with note_ops(). */
	SC_OWN_TRAFFIC = 1 << 2,
	/* The region is never faulted in, and that is the point. */
	SC_NO_FAULTS = 1 << 3,
};

struct run;

struct scenario {
	const char *name;
	const char *rows; /* of the catalogue of scenarios, "11,12"; or NULL */
	const char *what; /* that must hold */
	/* Why it cannot be had on this kernel or machine, or NULL. */
	const char *(*missing)(void);
	/* In a process of its own, with r->dev open. */
	void (*run)(struct run *r);
	unsigned int hooks; /* each of these must be seen while traffic runs */
	unsigned int weight; /* its share of the time; 0: 1 */
	unsigned int flags; /* enum scenario_flags */
	unsigned int slack_s; /* it may overrun by so many seconds; 0: 30 */
};

/* SCENARIO(any_identifier) = { .name = ..., ... }; in any file of this folder
 * is all that it takes to be listed and run. */
#define SCENARIO(id)                                                          \
	static const struct scenario id##_scenario;                           \
	static const struct scenario *const id##_entry                        \
		__attribute__((section("scenarios"), used)) = &id##_scenario; \
	static const struct scenario id##_scenario

/* --- a run of a scenario: in memory shared by all its processes --- */

enum op {
	OP_WRITE, /* the peer writes into the field */
	OP_READ,
	OP_SEND, /* the peer sends, the field receives */
	OP_SEND_FROM, /* the field is what is sent */
	OP_WRITE_FROM, /* ... what is written to the peer */
	OP_READ_INTO, /* ... where a READ from the peer goes */
	OP_ADD, /* FETCH_ADD by the peer */
	OP_SWAP, /* CMP_SWAP by the peer */
	OP_PREFETCH,
	OP_LOAD, /* CPU */
	OP_STORE,
	OPS
};

#define OP(name) (1U << OP_##name)
/* Those that work only while every byte is where it should be. */
#define OPS_CPU	   (OP(LOAD) | OP(STORE))
#define OPS_ATOMIC (OP(ADD) | OP(SWAP))
#define OPS_ALL	   ((1U << OPS) - 1)

struct run {
	/* Set before it starts. */
	const struct scenario *sc;
	const char *dev_name;
	uint64_t seed;
	unsigned int ms; /* how long it should take */
	unsigned int slow; /* this kernel is so many times slower */
	unsigned int limit_ms; /* within which every access must end */

	/* Of the scenario's first process alone. */
	struct rd_dev dev;

	/* What came out. */
	_Atomic uint64_t ops[OPS];
	_Atomic uint64_t bytes;
	_Atomic uint64_t events; /* that happened */
	_Atomic uint64_t loose; /* accesses that met an event */
	_Atomic uint64_t refused; /* ... and rightly ended in an error */
	_Atomic uint64_t worst_ms;
	_Atomic uint64_t stalled; /* see stalled_ms() */
	_Atomic unsigned int failures;
	_Atomic unsigned int splits; /* ... that begin with "split:" */
	_Atomic bool skipped;
	char why[240]; /* the first failure; why it is skipped */
	bool bad_wire; /* see wire.h */
	/* The engine goes on until then, if not NULL. */
	bool (*enough)(struct run *r);
	bool hooks_known; /* by hooks_begin() and hooks_end() */
	uint64_t hooks[HOOKS], faults, invalidations, invalidated;
};

/* A check failed. From any process and thread of the scenario. */
void fail(struct run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* It turns out that it cannot be had here. */
void skip(struct run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline bool failed(const struct run *r)
{
	return atomic_load(&((struct run *)r)->failures) || r->skipped;
}
/* Traffic and events that a scenario makes without the engine. */
void note_ops(struct run *r, enum op op, uint64_t n);
void note_events(struct run *r, uint64_t n);
/* An access took so long; a failure if that is over the limit. */
void note_time(struct run *r, uint64_t ms, const char *what);
/* How long the whole machine stood still until now: not the device's fault. */
uint64_t stalled_ms(const struct run *r);

/*
 * Which hooks came between the two: the engine does this around its traffic,
 * and who has traffic of his own between setting up and taking down. Without a
 * device of its own the whole life of the scenario's process counts, since its
 * owners are others.
 */
void hooks_begin(struct run *r);
void hooks_sample(struct run *r);
/* Whether what the scenario wants was seen; else, if @why, names one. */
bool hooks_seen(const struct run *r, const char **why);

/* --- fields ------------------------------------------------------- */

#define BLOCK	  8 /* cells; a message never leaves a block */
#define MAX_VIEWS 1024

/*
 * What the model knows of a cell: a page, or less where several threads share
 * one. Its owning thread's, but for the counts.
 */
struct cell {
	_Atomic uint32_t begun, ended; /* disturbances */
	_Atomic uint32_t emptied; /* begun ones of EV_EMPTIES */
	uint32_t after; /* emptied, when the last access ended */
	uint32_t seen; /* begun, when the content was certain ... */
	bool sure; /* ... if it ever was */
	bool two; /* an access failed: either field.model or field.old */
	int16_t loose; /* a word that may be anything, until read; or -1 */
	uint32_t version; /* of its latest stamp */
};

/* One way to reach the field: an address and a region over it. */
struct view {
	uint8_t *base;
	struct ibv_mr *mr;
	bool no_cpu; /* nothing there for loads and stores */
};

struct field {
	struct run *run;
	const char *name;
	unsigned int pages;
	unsigned int unit,
		cells; /* bytes of a cell: PAGE, or see field_split */
	unsigned int nviews;
	struct view *view; /* the first is the one that events are given */
	bool pinned; /* registered so; events leave it alone */
	unsigned int ops; /* a mask of what may be done to it; 0: all */
	uint8_t *model, *old;
	const uint8_t *origin; /* what EV_ZEROES leaves; NULL: zeros */
	struct cell *cell;
	bool may_zero, may_take,
		may_detour; /* of the events over it; by the engine */
	pthread_mutex_t alone; /* EV_ALONE */
	void *arg; /* the scenario's own, for its event functions */

	struct field *next; /* map.c's */
	bool shown;
};

/*
 * @bytes of address space that no ordinary mmap() would use, so that nobody
 * else moves into a hole that an event makes. Nothing is mapped yet.
 */
void *place(size_t bytes);
/* A mapping at place(): anonymous, private, without huge pages. */
void *map_anon(size_t bytes);

/*
 * A field over what is mapped at @base. field_over() expects zeros there; to
 * begin with something else, write it and call field_load().
 */
struct field *field_over(struct run *r, const char *name, void *base,
			 unsigned int pages);
void field_load(struct field *f);
/* Cells of @unit bytes (64 or more) instead of pages, before it is used. */
void field_split(struct field *f, unsigned int unit);
/* Another address and/or region for the same pages. @mr NULL: registers. */
struct view *field_view(struct field *f, void *base, struct ibv_mr *mr);
/* map_anon(), registered on demand / pinned. */
struct field *field_anon(struct run *r, unsigned int pages);
struct field *field_pinned(struct run *r, unsigned int pages);
/* Registers the field's first view. @access 0: all, on demand. */
void field_register(struct field *f, int access);
/* Deregisters and forgets; unmapping is the scenario's. */
void field_free(struct field *f);

static inline uint8_t *page_at(const struct field *f, unsigned int page)
{
	return f->view[0].base + page * PAGE;
}

/* --- events ------------------------------------------------------- */

enum event_flags {
	/* Not a byte may change: the default. */
	EV_KEEPS = 0,
	/* A page may afterwards be as field.origin has it. */
	EV_ZEROES = 1 << 0,
	/* Accesses may be refused while it is under way. */
	EV_TAKES = 1 << 1,
	/* Not two such at once in one field. */
	EV_ALONE = 1 << 2,
	/* The whole field each time. */
	EV_WHOLE = 1 << 3,
	/* Not about pages: a range of no pages is disturbed. */
	EV_NO_PAGES = 1 << 4,
	/* Afterwards it is as field.origin has it, but for later WRITEs. */
	EV_EMPTIES = 1 << 5 | EV_ZEROES,
	/*
	 * Meanwhile another page is there, with field.origin's content: what
	 * is written may be lost, what is read may be that.
	 */
	EV_DETOUR = 1 << 6,
	/* The last pages of the field. */
	EV_TAIL = 1 << 7,
};

struct range {
	unsigned int first, n; /* pages */
	uint8_t *at;
	size_t len;
};

struct event {
	const char *name;
	/* True if it happened. */
	bool (*fn)(struct field *f, const struct range *g, struct rng *rng);
	unsigned int flags;
	unsigned int max; /* pages of a range; 0: 16 */
	unsigned int weight; /* 0: 1 */
};

/* The engine does this around an event; others may, too. */
void disturb_begin(struct field *f, unsigned int first, unsigned int n,
		   unsigned int flags);
void disturb_end(struct field *f, unsigned int first, unsigned int n);

/* --- the engine --------------------------------------------------- */

#define MAX_FIELDS  8
#define MAX_THREADS 64

struct traffic;

struct engine {
	struct run *run;
	struct field *field[MAX_FIELDS];
	const struct event *events; /* ends with one without fn */
	unsigned int threads; /* of traffic; 0: 3 */
	unsigned int event_threads; /* 0: 1 */
	unsigned int pause_us; /* longest between two events; 0: 2000 */
	unsigned int min_events; /* goes on until so many came; 0: 3 */
	unsigned int min_ops; /* 0: 100 */
	unsigned int ops; /* mask; 0: all that the events allow */
	unsigned int depth; /* accesses of a thread at once; 0: up to DEPTH */
	void *arg; /* the scenario's own */

	/* The engine's. */
	unsigned int fields;
	_Atomic bool go, stop_traffic, stop_events;
	struct traffic *traffic[MAX_THREADS];
	pthread_t thread[MAX_THREADS], event_thread[MAX_THREADS];
	uint64_t end_ms;
};

/*
 * All there is to most scenarios: traffic and events for the run's time, and
 * until the hooks were seen; then every page is checked, through the CPU and
 * the device, the fields are freed and nothing may be left.
 */
void engine_run(struct engine *e);
/* The same in parts, for who does more in between. */
void engine_start(struct engine *e);
bool engine_goes_on(struct engine *e); /* sleeps a little; false: enough */
void engine_stop_events(struct engine *e);
void engine_stop(struct engine *e); /* events first, then traffic */
void engine_check(struct engine *e);
void engine_free(struct engine *e); /* fields, too */

/* --- helpers of scenarios ----------------------------------------- */

/* The simplest: an anonymous field, a pinned one beside it, these events. */
void run_events(struct run *r, struct field *f, const struct event *events);
/*
 * Does fn() in a child, which the scenario's process forks and waits for.
 * fn's failures are the run's; the child must not use the device.
 */
void in_child(struct run *r, void (*fn)(struct run *r, void *arg), void *arg);

/* --- between the files of the program ----------------------------- */

/*
 * What may be at [off, off + len) of a field: -1, or the first byte that is
 * wrong. @loose, for each cell: the origin's bytes are right, too.
 */
ssize_t field_judge(const struct field *f, size_t off, size_t len,
		    const uint8_t *got, const bool *loose);
/* A byte at @off is not what it must be: a failure, with all that is known. */
void field_report(struct field *f, size_t off, const uint8_t *got,
		  const char *what);
/*
 * Prints which cells are wrong, @got being all of the field, and @state of each
 * page a letter that says what is mapped.
 */
void field_map(struct field *f, const uint8_t *got, const char *state);
/* Without traffic and events: cells of @got that are not what they must be. */
unsigned int field_wrong(const struct field *f, const uint8_t *got);
/*
 * Before an access of the cell's owner: whether no event is under way there,
 * and how many had begun. Tells the model what they left.
 */
bool cell_look(struct field *f, unsigned int cell, uint32_t *begun);
void cell_stamp(const struct field *f, void *to, unsigned int cell,
		uint32_t version);

/* op.c */
#define DEPTH 4 /* accesses of a thread under way at once, at most */
struct traffic *traffic_open(struct engine *e, unsigned int index);
void traffic_close(struct traffic *t);
/* A random handful of accesses to the cells of this thread. */
void traffic_round(struct traffic *t);
/* The peer reads / writes cells; what it reads is judged. False: refused. */
bool traffic_read(struct traffic *t, struct field *f, unsigned int cell,
		  unsigned int n);
bool traffic_write(struct traffic *t, struct field *f, unsigned int cell,
		   unsigned int n);
extern const char *const op_names[OPS];

/* canary.c: a process that owns what others give up, and watches it. */
#define CANARY_TAG 0x5eed0fca9a71e5ULL
struct canary {
	pid_t pid;
	_Atomic uint64_t rounds, pages;
	_Atomic uint64_t hits;
	_Atomic bool stop;
};
void canary_start(struct canary *c);
void canary_stop(struct canary *c, struct run *r);

/* run.c */
struct options {
	const char *dev, *keep;
	uint64_t seed;
	unsigned int slow;
	bool json;
};
enum verdict {
	PASSED,
	FAILED,
	SKIPPED
};
enum verdict run_scenario(const struct options *o, const struct scenario *sc,
			  unsigned int ms, struct run *r);

/* keep.c: the trace of the last moments. */
void keep_open(const char *dir);
void keep_begin(void);
void keep_stop(void); /* at the first failure, from any process */
void keep_save(const char *name);

/* map.c: what is where, for who has to find out why it failed. */
#define MAP_SIGNAL SIGUSR2 /* ... of a process that hangs */
void map_begin(void); /* of this process, from now on */
void map_area(void *at, size_t bytes);
void map_field(struct field *f);
void unmap_field(struct field *f);
void field_show(struct field *f); /* once */
void map_show(void); /* all fields; if there are none, all areas */

/* hooks.c */
struct hook_counts {
	uint64_t hooks[HOOKS], faults, invalidations, invalidated;
};
void hooks_open(const char *dev);
/* Ends the program if a device of softodp's lacks one of them. */
void counters_needed(const char *dev, const char *const *names, unsigned int n);
bool device_is_ours(const char *dev);
bool hooks_have_types(void);
void hooks_read(struct hook_counts *c);
void hooks_set(struct run *r, const struct hook_counts *from);
extern const char *const hook_names[HOOKS];

/* complaint.c: what the kernel says is as good as a check that failed. */
void complaint_open(void);
void complaint_begin(const struct run *r);
void complaint_look(struct run *r); /* often, while it runs */
void complaint_end(struct run *r);

/* leak.c */
void leak_baseline(const char *dev);
/* What is there that was not, even after @ms; NULL if nothing. */
const char *leak_find(unsigned int ms);

#endif
