// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A wire that loses and mixes up, and a netdev that goes. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"
#include "wire.h"

static bool sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool sh(const char *fmt, ...)
{
	char text[300];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text) - 20, fmt, args);
	va_end(args);
	strcpy(text + n, " >/dev/null 2>&1");
	return system(text) == 0;
}

/* --- netem --------------------------------------------------------- */

static bool drop(struct field *f, const struct range *g, struct rng *rng)
{
	(void)f;
	(void)rng;
	return !madvise(g->at, g->len, MADV_DONTNEED);
}

static void netem_run(struct run *r)
{
	static const struct event events[] = {
		{ .name = "MADV_DONTNEED", .fn = drop, .flags = EV_EMPTIES }, {}
	};
	static const char *const kinds[] = {
		"loss 1%",
		"duplicate 5%",
		"delay 1ms reorder 95%",
		"corrupt 1%",
		"loss 0.5% duplicate 1% corrupt 0.5%",
	};
	struct engine e = {
		.run = r,
		.field = { field_anon(r, 64), field_pinned(r, 32) },
		.events = events,
	};
	unsigned int i = r->seed % ARRAY_SIZE(kinds), met = 0;
	uint64_t next = 0;

	wire_open(r);
	engine_start(&e);
	while (engine_goes_on(&e)) {
		if (now_ms() < next)
			continue;
		wire_set(r, kinds[i++ % ARRAY_SIZE(kinds)]);
		met++;
		next = now_ms() + r->ms / (ARRAY_SIZE(kinds) + 1);
	}
	engine_stop(&e);
	tap_note("%s: %u kinds of trouble", r->sc->name, met);
	wire_close(r);
	engine_check(&e);
	engine_free(&e);
}

SCENARIO(netem) = {
	.name = "netem",
	.rows = "45",
	.what = "loss, repetition, disorder: no atomic twice, no READ stale",
	.missing = wire_missing,
	.run = netem_run,
	.hooks = CLEAR,
	.slack_s = 60,
};

/* --- down, up, gone ------------------------------------------------ */

#define NETDEV "sodpflap"
#define DEVICE "sodpflap0"

static bool ready(void)
{
	char path[100], state[20] = "", gid[60] = "";
	unsigned int i;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/state",
		 DEVICE);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(state, sizeof(state), f))
		state[0] = 0;
	fclose(f);
	if (!strstr(state, "ACTIVE"))
		return false;
	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path),
			 "/sys/class/infiniband/%s/ports/1/gids/%u", DEVICE, i);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (!fgets(gid, sizeof(gid), f))
			gid[0] = 0;
		fclose(f);
		if (strstr(gid, ":ffff:0a09"))
			return true;
	}
	return false;
}

static bool wait_ready(struct run *r)
{
	for (unsigned int i = 0; i < 1000 * r->slow; i++) {
		if (ready())
			return true;
		sleep_ms(10);
	}
	return false;
}

static void gone(void)
{
	sh("{ rdma link del " DEVICE "; ip link del " NETDEV "; }");
}

static bool make(struct run *r)
{
	/* In one shell: an emulated guest feels every exec. */
	return sh("{ ip link del " NETDEV "; "
		  "ip link add " NETDEV " mtu 4200 type dummy && "
		  "ip addr add 10.9.77.1/24 dev " NETDEV " && "
		  "ip link set " NETDEV " up && "
		  "rdma link add " DEVICE " type softodp netdev " NETDEV
		  "; }") &&
	       wait_ready(r);
}

static const char *no_tools(void)
{
	return sh("{ command -v ip && command -v rdma; }") ?
		       NULL :
		       "no ip, or no rdma";
}

/* Traffic as long as it works: then, whatever it is, it has ended. */
struct flow {
	struct run *run;
	struct rd_qp a, b;
	uint8_t *at, *buf;
	struct ibv_mr *mr, *buf_mr;
	_Atomic bool stop;
	_Atomic uint64_t done, errors;
	uint32_t version;
};

static void *flow_main(void *arg)
{
	struct flow *f = arg;
	struct run *r = f->run;
	uint64_t start;
	int status;

	while (!atomic_load(&f->stop) && !failed(r)) {
		stamp(f->buf, 0, ++f->version);
		start = now_ms();
		status = rd_write(&f->a, (uintptr_t)f->buf, f->buf_mr->lkey,
				  PAGE, (uintptr_t)f->at, f->mr->rkey,
				  10 * r->limit_ms);
		note_time(r, now_ms() - start, "a WRITE while the netdev goes");
		if (!status) {
			if (stamp_version(f->at, 0) != f->version)
				fail(r, "a WRITE was not what it said");
			note_ops(r, OP_WRITE, 1);
			atomic_fetch_add(&f->done, 1);
			madvise(f->at, PAGE, MADV_DONTNEED);
			continue;
		}
		atomic_fetch_add(&f->errors, 1);
		if (atomic_load(&f->stop))
			break;
		sleep_ms(20);
		rd_reconnect(&f->a, &f->b);
	}
	return NULL;
}

static void flow_open(struct flow *f, struct run *r)
{
	const struct rd_qp_opts opts = { .timeout = 14, .retry = 3 };

	memset(f, 0, sizeof(*f));
	f->run = r;
	f->at = map_anon(PAGE);
	f->buf = map_anon(PAGE);
	rd_pair(&f->a, &r->dev, &f->b, &r->dev, &opts);
	f->mr = rd_reg(&r->dev, f->at, PAGE, RD_ALL | IBV_ACCESS_ON_DEMAND);
	f->buf_mr = rd_reg(&r->dev, f->buf, PAGE, RD_ALL);
}

static void flap(struct flow *f, struct rng *g)
{
	struct run *r = f->run;
	uint64_t before = atomic_load(&f->done), end;

	if (!sh("ip link set " NETDEV " down"))
		fail(r, "the netdev does not go down");
	sleep_ms(below(g, 300));
	if (!sh("ip link set " NETDEV " up") || !wait_ready(r))
		fail(r, "the port does not come back");
	end = now_ms() + 4 * r->limit_ms;
	while (atomic_load(&f->done) < before + 3 && !failed(r)) {
		if (now_ms() > end)
			fail(r, "no traffic after the netdev came back");
		sleep_ms(1);
	}
	note_events(r, 1);
}

/* One device: down and up, then removed with all that lives on it. */
static void one_netdev(struct run *r, struct rng *g)
{
	pthread_t thread;
	struct flow f;
	uint64_t start, end;
	struct rd_op op;

	if (!make(r)) {
		fail(r, "no second device");
		return;
	}
	rd_open(&r->dev, DEVICE);
	flow_open(&f, r);
	if (pthread_create(&thread, NULL, flow_main, &f))
		die("pthread_create");
	end = now_ms() + 2 * r->limit_ms;
	while (!atomic_load(&f.done) && now_ms() < end)
		sleep_ms(1);
	flap(&f, g);
	/* What has failed must stay so now: there is nothing to connect. */
	atomic_store(&f.stop, true);
	pthread_join(thread, NULL);
	start = now_ms();
	if (one_in(g, 2) ? !sh("rdma link del " DEVICE) :
			   !sh("ip link del " NETDEV))
		fail(r, "the device does not go");
	note_time(r, now_ms() - start, "removing a device in use");
	op = (struct rd_op){
		.opcode = IBV_WR_RDMA_WRITE,
		.addr = (uintptr_t)f.buf,
		.len = PAGE,
		.lkey = f.buf_mr->lkey,
		.raddr = (uintptr_t)f.at,
		.rkey = f.mr->rkey,
	};
	if (!rd_post(&f.a, &op) && !rd_wait(f.a.scq, NULL, 100))
		fail(r, "a WRITE by a device that is gone succeeded");
	note_events(r, 1);
}

/*
 * In a process of its own: a device that was removed leaves its user nothing
 * to close but the descriptor.
 */
static void netdev_child(struct run *r, void *arg)
{
	struct rng *g = arg;

	one_netdev(r, g);
}

static void netdev_run(struct run *r)
{
	uint64_t end = now_ms() + r->ms;
	struct rng g = { r->seed };

	do {
		in_child(r, netdev_child, &g);
		rnd(&g);
	} while (now_ms() < end && !failed(r));
	gone();
}

SCENARIO(netdev) = {
	.name = "netdev",
	.rows = "51",
	.what = "down and up, and removed with regions alive: nothing is left",
	.missing = no_tools,
	.run = netdev_run,
	.hooks = ANY,
	.flags = SC_NO_DEVICE | SC_OWN_TRAFFIC | SC_CLEARS_NOTHING |
		 SC_NO_FAULTS, /* of the other device */
	.slack_s = 60,
};
