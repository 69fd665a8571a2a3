// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Two queue pairs and honest programs, a network that loses, repeats, delays
 * and reorders as the fuzzer likes, faults that take their time, memory that
 * moves. Each message arrives once, whole, in order; each atomic happens once;
 * and as soon as the network is good again, everything ends.
 *
 * Of two inputs one has the local shortcut on at first, and off and on again
 * with each change of CPUs.
 */
#include "fuzz.h"
#include "rc_host.h"

#define MAX_STEPS 200
#define BASE	  0x70000000UL
#define OPS	  8 /* at once, of one end */
#define SLOT	  (4 * PAGE_SIZE) /* of memory, for each */
#define SIDE	  ((3 * OPS + 1) * SLOT) /* local, remote, receives, counter */
#define MAX_LEN	  (SLOT - 64)
#define PATIENCE  4000 /* steps of a good network */

enum kind {
	K_WRITE,
	K_WRITE_IMM,
	K_SEND,
	K_SEND_IMM,
	K_READ,
	K_ADD,
	K_SWAP,
	KINDS
};

struct op {
	enum kind kind;
	u64 local, remote; /* addresses; of a SEND the receive says where */
	u32 length;
	u8 tag; /* of the bytes */
	u64 orig, operand, compare; /* atomics: what must come back */
};

static struct side {
	struct rc_end end;
	struct side *peer;
	u64 base; /* of its memory */
	struct sodp_region *region;
	struct op op[OPS]; /* a ring: in flight are [done, posted) */
	u32 posted, done;
	u32 told; /* of our messages, those that the peer's receives saw */
	u64 recv_at[16]; /* buffers of the receives, a ring */
	u32 recvs, received;
	u64 counter; /* what the peer's counter will be after all of ours */
	bool failed, send_failed;
} sides[2];

static struct fuzz_bytes bytes;
static struct rc_attr attr;
static unsigned int trouble; /* packets lost, time that passed */
static bool switches; /* the shortcut */
static unsigned long runs, steps, statuses[RC_WC_STATUSES], kinds_done[KINDS],
	events[SODP_CNT_NUM];
FUZZ_COUNTERS(kinds, SODP_CNT_NUM);

static u32 pick(u32 n)
{
	return fuzz_below(&bytes, n);
}

/* --- memory ------------------------------------------------------- */

static u8 byte_of(u8 tag, u32 i)
{
	return (u8)(tag + i * 13 + (i >> 8));
}

static void fill(u64 at, u32 length, u8 tag)
{
	static u8 buf[SLOT];
	u32 i;

	for (i = 0; i < length; i++)
		buf[i] = byte_of(tag, i);
	MUST(um_write(rc_bed->mm, at, buf, length));
}

/* The bytes are there, and those behind them are not touched. */
static void check(u64 at, u32 length, u8 tag)
{
	static u8 buf[SLOT];
	u32 i;

	MUST(um_read(rc_bed->mm, at, buf, length + 8));
	for (i = 0; i < length; i++)
		MUST(buf[i] == byte_of(tag, i));
	for (; i < length + 8; i++)
		MUST(buf[i] == 0xaa);
}

static void clear(u64 at)
{
	static u8 buf[SLOT];

	memset(buf, 0xaa, sizeof(buf));
	MUST(um_write(rc_bed->mm, at, buf, sizeof(buf)));
}

static u64 slot(struct side *s, u32 i)
{
	return s->base + i * SLOT;
}

static u64 counter_of(struct side *s)
{
	return slot(s, 3 * OPS);
}

/* --- posting ------------------------------------------------------ */

static void put_wqe(struct side *s, const struct op *op)
{
	static const u32 opcodes[KINDS] = {
		[K_WRITE] = IB_WR_RDMA_WRITE,
		[K_WRITE_IMM] = IB_WR_RDMA_WRITE_WITH_IMM,
		[K_SEND] = IB_WR_SEND,
		[K_SEND_IMM] = IB_WR_SEND_WITH_IMM,
		[K_READ] = IB_WR_RDMA_READ,
		[K_ADD] = IB_WR_ATOMIC_FETCH_AND_ADD,
		[K_SWAP] = IB_WR_ATOMIC_CMP_AND_SWP,
	};
	struct rxe_send_wqe *w = rc_send_slot(&s->end);
	u32 cut = op->length > 16 && pick(2) ? 8 + pick(op->length - 8) : 0;
	u32 lkey = sodp_region_key(s->region);

	memset(w, 0, sizeof(*w));
	w->wr.wr_id = s->posted;
	w->wr.opcode = opcodes[op->kind];
	w->wr.send_flags = IB_SEND_SIGNALED |
			   (pick(8) == 7 ? IB_SEND_FENCE : 0);
	w->wr.ex.imm_data = htonl(op->tag);
	if (op->kind >= K_ADD) {
		w->wr.wr.atomic.remote_addr = op->remote;
		w->wr.wr.atomic.rkey = sodp_region_key(s->peer->region);
		w->wr.wr.atomic.compare_add = op->kind == K_ADD ? op->operand :
								  op->compare;
		w->wr.wr.atomic.swap = op->operand;
	} else {
		w->wr.wr.rdma.remote_addr = op->remote;
		w->wr.wr.rdma.rkey = sodp_region_key(s->peer->region);
	}
	w->dma.length = w->dma.resid = op->length;
	w->dma.num_sge = cut ? 2 : 1;
	w->dma.sge[0] = (struct rxe_sge){ op->local, cut ?: op->length, lkey };
	if (cut)
		w->dma.sge[1] = (struct rxe_sge){ op->local + cut,
						  op->length - cut, lkey };
	rc_post_send(&s->end);
}

/* It takes a receive. */
static bool is_message(const struct op *op)
{
	return op->kind == K_SEND || op->kind == K_SEND_IMM ||
	       op->kind == K_WRITE_IMM;
}

static void draw_atomic(struct side *s, struct op *op)
{
	op->length = 8;
	op->remote = counter_of(s->peer);
	op->operand = pick(1 << 16);
	op->compare = pick(2) ? s->counter : s->counter + 1;
	op->orig = s->counter;
	if (op->kind == K_ADD)
		s->counter += op->operand;
	else if (op->compare == s->counter)
		s->counter = op->operand;
}

static void post(struct side *s)
{
	u32 i = s->posted % OPS;
	struct op *op = &s->op[i];

	if (s->posted - s->done == OPS || s->failed)
		return;
	if (s->posted >= OPS && s->told == s->posted - OPS) {
		MUST(!is_message(op)); /* else it ended and nobody got it */
		s->told++;
	}
	*op = (struct op){ .kind = pick(KINDS), .tag = (u8)(s->posted * 31) };
	op->length = pick(4) ? pick(MAX_LEN) : pick(16);
	op->local = slot(s, i) + 8 * pick(4);
	op->remote = slot(s->peer, OPS + i) + pick(8);
	clear(slot(s, i));
	clear(slot(s->peer, OPS + i));
	if (op->kind >= K_ADD)
		draw_atomic(s, op);
	else if (op->kind == K_READ)
		fill(op->remote, op->length, op->tag);
	else
		fill(op->local, op->length, op->tag);
	put_wqe(s, op);
	s->posted++;
	rc_doorbell(&s->end);
}

static void post_recv(struct side *s)
{
	struct rxe_recv_wqe *w = rc_recv_slot(&s->end);
	u64 at = slot(s, 2 * OPS + s->recvs % OPS) + 16;

	if (s->recvs - s->received == OPS / 2 || s->failed)
		return;
	clear(at - 16);
	memset(w, 0, sizeof(*w));
	w->wr_id = s->recvs;
	w->dma.length = w->dma.resid = MAX_LEN;
	w->dma.num_sge = 1;
	w->dma.sge[0] =
		(struct rxe_sge){ at, MAX_LEN, sodp_region_key(s->region) };
	s->recv_at[s->recvs % 16] = at;
	s->recvs++;
	rc_post_recv(&s->end);
}

/* --- completions -------------------------------------------------- */

static void sent(struct side *s, const struct ib_uverbs_wc *wc)
{
	struct op *op = &s->op[s->done % OPS];
	u64 orig;

	MUST(wc->wr_id == s->done && s->done != s->posted);
	s->done++;
	if (wc->status != IB_WC_SUCCESS) {
		/* Lost too often, and what is behind it. */
		MUST(wc->status == (s->send_failed ? IB_WC_WR_FLUSH_ERR :
						     IB_WC_RETRY_EXC_ERR));
		MUST(trouble > attr.retry);
		s->failed = s->send_failed = true;
		return;
	}
	MUST(!s->send_failed);
	kinds_done[op->kind]++;
	switch (op->kind) {
	case K_READ:
		check(op->local, op->length, op->tag);
		break;
	case K_ADD:
	case K_SWAP:
		MUST(um_read(rc_bed->mm, op->local, &orig, 8));
		MUST(orig == op->orig);
		break;
	case K_WRITE:
	case K_WRITE_IMM:
		check(op->remote, op->length, op->tag);
		break;
	default:
		break; /* the receive has looked */
	}
}

/* The peer's next message, in order. */
static void received(struct side *s, const struct ib_uverbs_wc *wc)
{
	struct side *from = s->peer;
	struct op *op;

	MUST(wc->wr_id == s->received && s->received != s->recvs);
	s->received++;
	if (wc->status != IB_WC_SUCCESS) {
		MUST(wc->status == IB_WC_WR_FLUSH_ERR);
		s->failed = true;
		return;
	}
	do {
		MUST(from->told != from->posted);
		op = &from->op[from->told++ % OPS];
	} while (!is_message(op));
	MUST(wc->byte_len == op->length);
	MUST(!!(wc->wc_flags & IB_WC_WITH_IMM) == (op->kind != K_SEND));
	if (op->kind != K_SEND)
		MUST(wc->ex.imm_data == htonl(op->tag));
	if (op->kind == K_WRITE_IMM)
		check(op->remote, op->length, op->tag);
	else
		check(s->recv_at[(s->received - 1) % 16], op->length, op->tag);
}

static void poll_cq(struct side *s)
{
	struct ib_uverbs_wc wc;

	while (rc_poll(&s->end, &wc)) {
		MUST(wc.status < RC_WC_STATUSES);
		MUST(wc.qp_num == s->end.qp->qpn);
		statuses[wc.status]++;
		if (wc.opcode & IB_WC_RECV)
			received(s, &wc);
		else
			sent(s, &wc);
	}
}

static void poll_both(void)
{
	poll_cq(&sides[0]);
	poll_cq(&sides[1]);
}

/* --- the network -------------------------------------------------- */

static void deliver(const struct sk_buff *skb, u32 flip)
{
	u8 to = skb->daddr == RC_IP(1) ? 1 : 2;

	MUST(skb->daddr == RC_IP(to));
	rc_deliver(skb->data, skb->len - SODP_ICRC_LEN, 3 - to, to, flip);
}

/* One of the first few packets on the wire meets its fate. */
static void network(void)
{
	u32 skip = pick(8) == 7 ? pick(4) : 0;
	struct sk_buff *skb = skb_peek(&rc_wire);

	while (skb && skip-- && skb->next != (struct sk_buff *)&rc_wire)
		skb = skb->next;
	if (!skb)
		return;
	skb_unlink(skb, &rc_wire);
	switch (pick(16)) {
	case 13: /* lost */
		trouble++;
		break;
	case 14: /* spoilt */
		trouble++;
		deliver(skb, 1U << pick(32));
		break;
	case 15: /* twice */
		deliver(skb, 0);
		deliver(skb, 0);
		break;
	default:
		deliver(skb, 0);
	}
	kfree_skb(skb);
}

static void good_network(void)
{
	struct sk_buff *skb;
	int most = 64;

	while (most-- && (skb = rc_take())) {
		deliver(skb, 0);
		kfree_skb(skb);
	}
}

/* --- the sequence ------------------------------------------------- */

/* What changes where the bytes are, not what they are. */
static void memory_step(void)
{
	u64 start = sides[pick(2)].base + pick(SIDE / PAGE_SIZE) * PAGE_SIZE;
	u64 end = start + (1 + pick(8)) * PAGE_SIZE;

	switch (pick(4)) {
	case 0:
		um_move(rc_bed->mm, start, end);
		break;
	case 1:
		um_reclaim(rc_bed->mm, start, end);
		break;
	case 2:
		um_clean(rc_bed->mm, start, end);
		break;
	case 3: /* the made-up mm does not spare pinned pages */
		if (sodp_region_on_demand(sides[0].region) &&
		    sodp_region_on_demand(sides[1].region))
			um_fork(rc_bed->mm);
		break;
	}
}

static void pass(unsigned long ms)
{
	trouble++;
	rc_pass(ms);
}

static void step(void)
{
	switch (pick(16)) {
	case 0 ... 2:
		poll_both();
		post(&sides[pick(4) == 3]);
		break;
	case 3:
		post_recv(&sides[pick(4) != 3]);
		break;
	case 4 ... 7:
		network();
		break;
	case 8:
		good_network();
		break;
	case 9 ... 10:
		rc_work(1 + pick(4));
		break;
	case 11:
		pass(1 + pick(4));
		break;
	case 12:
		pass(pick(200));
		break;
	case 13:
		memory_step();
		break;
	case 14:
		shim_cpu = (int)pick(2);
		if (!switches)
			break;
		rc_dev.local_shortcut = !rc_dev.local_shortcut;
		trouble++; /* what is on the wire is late now */
		break;
	case 15:
		poll_both();
		break;
	}
	MUST(skb_queue_len(&rc_wire) < 100000);
}

static bool all_done(void)
{
	int i;

	for (i = 0; i < 2; i++)
		if (sides[i].done != sides[i].posted)
			return false;
	return true;
}

/* The network is good and there is a receive for each message: it all ends. */
static void wind_up(void)
{
	int most = PATIENCE, i;
	u64 got;

	while (!all_done() && most--) {
		good_network();
		rc_work(20);
		poll_both();
		post_recv(&sides[0]);
		post_recv(&sides[1]);
		if (skb_queue_len(&rc_wire))
			continue;
		/* nothing on the wire: what is due next? */
		trouble += sides[0].failed || sides[1].failed;
		rc_pass(1);
	}
	MUST(all_done());
	for (i = 0; i < 2; i++) {
		if (sides[i].failed)
			continue;
		MUST(um_read(rc_bed->mm, counter_of(sides[i].peer), &got, 8));
		MUST(got == sides[i].counter);
	}
}

static void open_side(struct side *s, int i)
{
	u64 zero = 0;

	*s = (struct side){ .peer = &sides[!i], .base = BASE + i * SIDE };
	um_map(rc_bed->mm, s->base, SIDE, true, true);
	MUST(um_write(rc_bed->mm, counter_of(s), &zero, 8));
	s->region = reg_at(rc_bed, s->base, SIDE, s->base, RW,
			   pick(4) == 3 ? SODP_MEM_PINNED : SODP_MEM_ON_DEMAND);
	MUST(!IS_ERR(s->region));
	MUST(rc_open(&s->end, IB_QPT_RC, (u8)(i + 1), 15, 2, 0));
}

static void connect_side(struct side *s)
{
	struct rc_attr a = attr;

	a.dest = s->peer->end.ip;
	a.dest_qpn = s->peer->end.qp->qpn;
	MUST(rc_connect(&s->end, &a, IB_QPS_RTS));
}

static void draw_attributes(void)
{
	u32 psn = pick(4) == 3 ? SODP_PSN_MASK - pick(20) : 1000;

	attr = (struct rc_attr){
		.mtu = (enum ib_mtu[]){ IB_MTU_1024, IB_MTU_256,
					IB_MTU_4096 }[pick(3)],
		.access = IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ |
			  IB_ACCESS_REMOTE_ATOMIC,
		.rq_psn = psn,
		.sq_psn = psn,
		.min_rnr_timer = (u8)(1 + pick(20)),
		.timeout = (u8)(10 + pick(6)),
		.retry = 7,
		.rnr_retry = 7, /* for ever */
	};
	attr.rd_atomic = attr.dest_rd_atomic = (u8)(1 + pick(4));
}

static __attribute__((constructor)) void abort_on_failure(void)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int i;

	bytes = (struct fuzz_bytes){ data, data + size };
	trouble = 0;
	rc_up();
	switches = size % 2;
	rc_dev.local_shortcut = switches;
	draw_attributes();
	for (i = 0; i < 2; i++)
		open_side(&sides[i], i);
	for (i = 0; i < 2; i++)
		connect_side(&sides[i]);
	for (i = 0; i < MAX_STEPS && bytes.at < bytes.end; i++)
		step();
	steps += i;
	runs++;
	wind_up();
	for (i = 0; i < 2; i++)
		rc_close(&sides[i].end);
	for (i = 0; i < 2; i++)
		sodp_region_deregister(sides[i].region);
	for (i = 0; i < SODP_CNT_NUM; i++) {
		events[i] += count(rc_bed, i);
		kinds[i] = (uint8_t)min((u64)255, count(rc_bed, i));
	}
	rc_down();
	return 0;
}

size_t fuzz_seed(unsigned int i, uint8_t *out, size_t max)
{
	uint32_t x = i + 5;
	size_t n;

	if (i >= 32 || max < 600)
		return 0;
	for (n = 0; n < 600 - i % 2; n++) {
		x = x * 1664525 + 1013904223;
		out[n] = (uint8_t)(x >> 24);
	}
	return n;
}

void fuzz_summary(void)
{
	size_t i;

	printf("%lu runs, %lu steps, %lu packets, %lu of them handed over, %lu retransmits, %lu duplicates, %lu out of sequence, RNR %lu, rereads %lu\n",
	       runs, steps, events[SODP_CNT_RX_PACKETS],
	       events[SODP_CNT_HANDED_OVER], events[SODP_CNT_RETRANSMITS],
	       events[SODP_CNT_DUPLICATES], events[SODP_CNT_OUT_OF_SEQ],
	       events[SODP_CNT_TX_RNR], events[SODP_CNT_REQ_REREADS]);
	for (i = 0; i < KINDS; i++)
		printf("kind %zu: %lu\n", i, kinds_done[i]);
	for (i = 0; i < RC_WC_STATUSES; i++)
		if (statuses[i])
			printf("status %zu: %lu\n", i, statuses[i]);
	for (i = 0; i < KINDS; i++)
		MUST(kinds_done[i]);
	MUST(events[SODP_CNT_HANDED_OVER]);
}
