// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A hostile peer: a raw socket in another network namespace, which knows the
 * queue pairs that are connected to it, and sends them what it likes.
 */
#include <stdio.h>
#include <sys/socket.h>

#include "census.h"
#include "shot.h"

enum {
	VOLLEY = 40, /* packets between two looks at what came back */
	CHECK_EVERY = 24, /* volleys */
	EXTRA_MS = 20000, /* until all of met[] has been met */
	REACH_PERCENT = 60, /* of all packets must get past the first checks */
};

static const char *const kinds[] = {
#define T(id, text) text,
	TWISTS(T)
#undef T
		NULL,
};

static void volley(struct range *r)
{
	struct rng *rng = r->rng;
	uint64_t end = board->done + VOLLEY;

	while (board->done < end) {
		struct victim *v = victim(r->victims, below(rng, VICTIMS));

		/* a few also to those that cannot hear */
		if (v->dead && !one_in(rng, 32))
			continue;
		if (one_in(rng, 5))
			shoot_response(r, v);
		else
			for (unsigned int n = 1 + below(rng, 2); n; n--)
				shoot_request(r, v);
	}
	peer_flush(r->batch);
	answer_all(r);
	peer_flush(r->batch);
}

/* What goes on in the victims' program meanwhile. */
static void live_on(struct range *r)
{
	struct rng *rng = r->rng;

	for (int n = below(rng, 3); n; n--) {
		victim_post(r->victims, victim(r->victims, below(rng, VICTIMS)),
			    rng);
		victim_post_recv(r->victims,
				 victim(r->victims, below(rng, VICTIMS)), rng);
	}
	if (one_in(rng, 2))
		ground_shake(r->ground, rng);
}

/* Every one of these must have been met. */
static const char *const met[] = {
	"drop_short_packet",	  "drop_icrc_error",
	"drop_bad_header",	  "drop_bad_opcode",
	"drop_bad_pkey",	  "drop_unknown_qp",
	"drop_wrong_address",	  "drop_qp_state",
	"drop_stray_ack",	  "duplicate_request",
	"out_of_seq_request",	  "sent_seq_err",
	"sent_rnr_err",		  "sent_invalid_request_err",
	"sent_remote_access_err", "sent_remote_operation_err",
	"rcvd_rnr_err",		  "rcvd_seq_err",
	"rcvd_remote_err",	  "req_retransmits",
	"retry_exceeded_err",	  "resp_parks",
	"page_faults_failed",
};

/* With fewer packets than these not all of it can be expected. */
static bool enough(const struct options *o)
{
	return o->count >= 10000;
}

/* A fast machine sends all packets before the last retry of anybody is over. */
static bool something_missing(const struct options *o)
{
	if (!enough(o))
		return false;
	census_end(o->dev);
	for (size_t i = 0; i < ARRAY_SIZE(met); i++)
		if (!census_delta(met[i]))
			return true;
	return false;
}

static void run(const struct options *o)
{
	struct rng rng = { o->seed };
	struct victims victims;
	struct ground ground;
	struct rd_dev dev;
	struct peer peer;
	unsigned long lives = 0, completions = 0, good = 0;
	struct range r = { &rng, &ground, &victims, &peer, NULL };
	int room = 8 << 20;
	uint64_t late = 0;

	peer_open(&peer, o->peer_ns, o->peer_ip, o->local_ip);
	if (setsockopt(peer.udp, SOL_SOCKET, SO_RCVBUFFORCE, &room,
		       sizeof(room)))
		die("the peer's socket");
	r.batch = peer_batch_new(&peer);
	rd_open(&dev, o->dev);
	ground_open(&ground, &dev, true, o->lie);
	victims_open(&victims, &ground, o->peer_ip, o->seed + 3);
	for (unsigned int i = 0; !board->harms; i++) {
		if (board->done >= o->count) {
			if (!late)
				late = now_ms() + EXTRA_MS;
			if (now_ms() > late || !something_missing(o))
				break;
		}
		volley(&r);
		live_on(&r);
		if (i % CHECK_EVERY == 0)
			ground_check(&ground);
	}
	ground_check(&ground);
	victims_close(&victims);
	ground_check(&ground);
	ground_close(&ground);
	rd_close(&dev);
	for (int i = 0; i < GROUPS; i++) {
		lives += victims.groups[i].lives;
		completions += victims.groups[i].completions;
		good += victims.groups[i].successes;
	}
	tap_note("victims: %lu lives, %lu completions, %lu of them good; "
		 "%lu packets did not leave",
		 lives, completions, good, r.batch->unsent);
}

static void judge(const struct options *o)
{
	uint64_t lost = 0, percent;

	/* the first eight: before the queue pair, or for one that is not there */
	for (int i = 0; i < 8; i++)
		lost += census_delta(met[i]);
	percent = (board->done - lost) * 100 / board->done;
	tap_result(lost < board->done && percent >= REACH_PERCENT,
		   "peer: %llu %% of %llu packets got to a live queue pair "
		   "(%d %% must)",
		   (unsigned long long)percent, (unsigned long long)board->done,
		   REACH_PERCENT);
	if (!enough(o))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(met); i++)
		if (!census_delta(met[i]))
			tap_result(false, "peer: %s was never met", met[i]);
}

const struct villain villain_peer = {
	.mode = "peer",
	.unit = "packets",
	.run = run,
	.kinds = kinds,
	.judge = judge,
};
