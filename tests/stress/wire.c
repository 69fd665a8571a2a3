// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A bad wire, and how one knows that it was one. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guestsys.h"
#include "wire.h"

static const char *const names[] = {
	"drop_icrc_error",
	"duplicate_request",
	"out_of_seq_request",
	"req_timeouts",
};
#define NAMES ARRAY_SIZE(names)

static uint64_t before[NAMES];
static FILE *tc;

const char *wire_missing(void)
{
	static int there = -1;

	if (there < 0)
		there = command("modprobe sch_netem && command -v tc");
	return there ? NULL : "the kernel has no netem, or no tc";
}

/* Of another driver's device the first is 0, whatever happens. */
static void trouble(struct run *r, uint64_t *falsified, uint64_t *rest)
{
	uint64_t now[NAMES];

	counters(r->dev_name, names, now, NAMES);
	*falsified = now[0] - before[0];
	*rest = 0;
	for (unsigned int i = 1; i < NAMES; i++)
		*rest += now[i] - before[i];
}

static bool enough(struct run *r)
{
	uint64_t falsified, rest;

	trouble(r, &falsified, &rest);
	return (falsified || !device_is_ours(r->dev_name)) && rest;
}

void wire_open(struct run *r)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/local_shortcut",
		 r->dev_name);
	if (device_is_ours(r->dev_name) && !sys_set(path, "0"))
		die("%s: %s", path, strerror(errno));
	counters_needed(r->dev_name, names, NAMES);
	counters(r->dev_name, names, before, NAMES);
	r->bad_wire = true;
	r->enough = enough;
	/* Each loss costs a time-out of a quarter of a second. */
	r->limit_ms *= 4;
	/* One for all orders: an emulated guest feels every exec. */
	tc = popen("tc -force -batch -", "w");
	if (!tc)
		die("tc: %s", strerror(errno));
	setlinebuf(tc);
}

void wire_set(struct run *r, const char *netem)
{
	if (fprintf(tc, "qdisc replace dev lo root netem limit 100000 %s\n",
		    netem) < 0)
		fail(r, "tc: %s", strerror(errno));
}

void wire_close(struct run *r)
{
	uint64_t falsified, rest;

	fprintf(tc, "qdisc del dev lo root\n");
	if (pclose(tc))
		fail(r, "tc did not take an order");
	else
		r->bad_wire = false;
	trouble(r, &falsified, &rest);
	tap_note("%s: %llu packets with a wrong ICRC; %llu lost, repeated or "
		 "late",
		 r->sc->name, (unsigned long long)falsified,
		 (unsigned long long)rest);
	if (failed(r))
		return;
	if (!falsified && device_is_ours(r->dev_name))
		fail(r, "no packet with a wrong ICRC was dropped");
	if (!rest)
		fail(r, "no packet was lost, repeated or late");
}

void wire_mend(const struct run *r)
{
	if (r->bad_wire)
		command("tc qdisc del dev lo root");
}

void wire_run(struct run *r, void (*run)(struct run *r))
{
	wire_open(r);
	wire_set(r, "delay 1ms loss 0.2% duplicate 0.5% corrupt 0.5% "
		    "reorder 99%");
	run(r);
	wire_close(r);
}
