/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* sodp(1): shows devices with on-demand paging and their regions. */
#ifndef SODP_H
#define SODP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>
#include <rdma/softodp-abi.h>
#include <softodp/softodp.h>

enum {
	NAME_LEN = 64
};

/* --- source.c: what the kernel knows, by RDMA netlink --------------------- */

enum region_kind {
	KIND_UNKNOWN, /* the driver does not tell */
	KIND_PINNED,
	KIND_ON_DEMAND,
	KIND_IMPLICIT,
};

struct region {
	char device[NAME_LEN];
	uint32_t mrn; /* DEVICE/MRN names it, as in `rdma resource show mr` */
	uint32_t pid, pdn;
	char command[NAME_LEN];
	uint64_t length; /* bytes */
	enum region_kind kind;
	bool has_keys; /* shown to CAP_NET_ADMIN only */
	uint32_t lkey, rkey;
	bool has_stats;
	struct softodp_mr_stats stats;
};

struct device {
	char name[NAME_LEN];
	uint32_t index;
	char netdev[NAME_LEN]; /* "" if there is none */
	char mode[NAME_LEN]; /* odp_mode, "" on other devices */
	unsigned int regions;
};

struct snapshot {
	struct device *devices;
	size_t n_devices;
	struct region *regions; /* by device and number */
	size_t n_regions;
};

/* All, or of one device; ends the program with a message on failure. */
void snapshot_take(struct snapshot *s, const char *device);
void snapshot_free(struct snapshot *s);
const char *kind_name(enum region_kind kind);
/* Whose it is; anybody may call a process anything, so only what is fit for a
 * terminal, JSON and XML. A name that is there stays, without a pid. */
void region_command(struct region *r);

/* "DEVICE/NUMBER"; false if it is not of that form. */
bool region_parse(const char *text, char device[NAME_LEN], uint32_t *mrn);
/* By that name, or ends the program and says which there are. */
const struct region *region_find(const struct snapshot *s, const char *name);
/* 0 or an errno. */
int region_summary(const struct snapshot *s, const struct region *region,
		   struct softodp_mr_summary *summary);

/* --- output.c ------------------------------------------------------------- */

/* Ends the program: status 1, or 2 if it was called in a wrong way. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void fail_usage(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* "1.5 MiB"; the whole address space is "all". @text has NAME_LEN bytes. */
const char *size_text(char *text, uint64_t bytes);
struct json_object *region_json(const struct region *region);
/* Prints it, ends the line and frees it. */
void json_print(struct json_object *object, bool pretty);
/* Colours are wanted: a terminal, and NO_COLOR is not set. */
bool colours(void);

/* --- commands: status of the program -------------------------------------- */

struct options {
	bool json;
	const char *device; /* list, top: only this one */
	const char *svg; /* map: into this file */
	const char *sort; /* top */
	unsigned int width; /* map: cells in a line; 0: by the terminal */
	unsigned int count; /* top: so many times; 0: until it is ended */
	double delay; /* top: seconds */
};

int cmd_list(const struct options *options);
int cmd_top(const struct options *options);
int cmd_map(const struct options *options, const char *region);
int cmd_explain(const struct options *options, const char *what);

/* --- top.c and topscreen.c ------------------------------------------------ */

/* A region and what it did since the last look. */
struct rate {
	const struct region *region;
	double faults, invalidations, waits; /* per second */
};

enum sort_key {
	SORT_FAULTS,
	SORT_INVALIDATIONS,
	SORT_RESIDENT,
	SORT_LENGTH,
	SORT_REGION,
	SORT_KEYS
};

struct top {
	const struct options *options;
	struct snapshot now, before;
	uint64_t now_ns, before_ns;
	struct rate *rates;
	size_t n;
	enum sort_key sort;
};

extern const char *const sort_names[SORT_KEYS];
/* Looks again; rates are by name of region, 0 at first sight. */
void top_look(struct top *t);
void top_order(struct top *t);
/* The line of a region, and of the heading if @rate is NULL. */
void top_line(char *text, size_t size, const struct rate *rate);
void top_totals(char *text, size_t size, const struct top *t);
int top_on_screen(struct top *t);

/* --- map.c and svg.c ------------------------------------------------------ */

/* Parts of the summary that are of the region, and pages of one of them. */
unsigned int map_parts(const struct softodp_mr_summary *m);
uint64_t map_pages_of(const struct softodp_mr_summary *m, unsigned int part);
/* 0: none resident, 1: all. */
double map_share(const struct softodp_mr_summary *m, unsigned int part);
uint64_t map_resident(const struct softodp_mr_summary *m);
/* 0 or an errno. */
int svg_write(const char *path, const struct region *region,
	      const struct softodp_mr_summary *m);

/* --- advice.c: what errors mean ------------------------------------------- */

struct advice {
	const char *name; /* "ENOMEM", "IBV_WC_REM_ACCESS_ERR" */
	int number;
	bool completion; /* a status of a completion, not an errno */
	const char *means;
	const char *why[6]; /* causes, until NULL; each with what to do */
};

/* By name, number (a completion's status), or text; NULL if there is none. */
const struct advice *advice_find(const char *what);
/* The i-th, for lists; NULL at the end. */
const struct advice *advice_at(size_t i);

#endif
