// SPDX-License-Identifier: GPL-2.0
/*
 * READ. A request is good for up to 2 GiB, so the responses go out in slices,
 * each within the budget of a pass; the queue waits behind them.
 *
 * After the first response the peer cannot be told to come later, so faults are
 * resolved before it as far as that is reasonable.
 */
#include "xport/resp.h"

enum {
	PROBE_STEP = 1 << 20, /* what sodp_mem_probe() takes */
	PROBE_MAX = 16 << 20, /* looked at before the first response */
	PROBE_TRIES = 4, /* faults in vain, so that no churn starves a READ */
};

static void start(struct sodp_resp *resp, const struct sodp_pkt *pkt, u32 n,
		  bool again)
{
	struct sodp_resp_slot *read = &resp->read;

	read->valid = true;
	read->opcode = pkt->opcode;
	read->first_psn = pkt->psn;
	read->last_psn = sodp_psn_add(pkt->psn, n - 1);
	read->va = pkt->va;
	read->rkey = pkt->rkey;
	read->length = pkt->dma_len;
	resp->read_off = 0;
	resp->read_psn = pkt->psn;
	resp->read_again = again;
}

/* The first missing entry of what is to be read, as far as it is looked at. */
static enum sodp_mem_result probe(const struct sodp_remote *remote, u32 len,
				  u64 *first)
{
	enum sodp_mem_result result = SODP_MEM_OK;
	u32 off;

	len = min_t(u32, len, PROBE_MAX);
	for (off = 0; off < len && result == SODP_MEM_OK; off += PROBE_STEP)
		result = sodp_mem_probe(remote->region, remote->iova + off,
					min_t(u32, len - off, PROBE_STEP),
					false, first);
	return result;
}

static enum sodp_mem_result
prepare(struct sodp_qp *qp, const struct sodp_pkt *pkt, struct sodp_miss *miss)
{
	struct sodp_resp *resp = &qp->resp;
	enum sodp_mem_result result;
	struct sodp_remote remote;
	u64 first;

	if (!pkt->dma_len)
		return SODP_MEM_OK; /* needs no key */
	result = sodp_resp_reach(qp, pkt->rkey, SODP_MEM_REMOTE_READ, pkt->va,
				 pkt->dma_len, &remote);
	if (result != SODP_MEM_OK)
		return result;
	if (resp->probes < PROBE_TRIES + 2 * (PROBE_MAX / PROBE_STEP))
		result = probe(&remote, pkt->dma_len, &first);
	if (result != SODP_MEM_FAULT) {
		sodp_remote_end(&remote);
		return result;
	}
	resp->probes++;
	miss->region = sodp_remote_keep_region(&remote);
	miss->iova = first;
	miss->length = pkt->dma_len - (first - remote.iova);
	miss->write = false;
	return result;
}

enum sodp_verdict sodp_resp_read(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	u32 n = sodp_psn_count(pkt->dma_len, qp->mtu);
	struct sodp_resp *resp = &qp->resp;
	struct sodp_miss miss;

	switch (prepare(qp, pkt, &miss)) {
	case SODP_MEM_OK:
		break;
	case SODP_MEM_FAULT:
		return sodp_resp_hold(qp, &miss);
	default:
		return sodp_resp_denied(qp, pkt->psn);
	}
	sodp_resp_ack_flush(qp);
	sodp_resp_accept(qp, pkt, n);
	start(resp, pkt, n, false);
	*sodp_slot_new(resp) = resp->read;
	return SODP_NEXT;
}

void sodp_resp_reread(struct sodp_qp *qp, const struct sodp_pkt *pkt)
{
	start(&qp->resp, pkt, sodp_psn_count(pkt->dma_len, qp->mtu), true);
}

/*
 * A peer that lost its patience asks again for what is on its way. The memory
 * may go between the two answers; that is no fault of the peer, which has its
 * bytes. So the connection goes on: a NAK that is stale is none to the peer,
 * and if it did lose the first answer, it learns what it must.
 */
enum sodp_verdict sodp_resp_read_denied(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;

	if (!resp->read_again)
		return sodp_resp_denied(qp, resp->read_psn);
	resp->read.valid = false;
	sodp_resp_nak(qp, resp->read_psn, SODP_NAK_REM_ACCESS);
	return SODP_NEXT;
}

static u8 response_opcode(const struct sodp_resp *resp)
{
	const struct sodp_resp_slot *read = &resp->read;

	if (read->first_psn == read->last_psn)
		return SODP_RC_READ_RESP_ONLY;
	if (resp->read_psn == read->first_psn)
		return SODP_RC_READ_RESP_FIRST;
	if (resp->read_psn == read->last_psn)
		return SODP_RC_READ_RESP_LAST;
	return SODP_RC_READ_RESP_MIDDLE;
}

/*
 * The next bytes to @payload. The key is asked again for each packet: it may be
 * gone meanwhile. On FAULT *miss is filled.
 */
static enum sodp_mem_result fetch(struct sodp_qp *qp, u8 *payload, u32 len,
				  struct sodp_miss *miss)
{
	const struct sodp_resp *resp = &qp->resp;
	enum sodp_mem_result result;
	struct sodp_remote remote;
	size_t done = 0;

	if (!len)
		return SODP_MEM_OK;
	result = sodp_resp_reach(qp, resp->read.rkey, SODP_MEM_REMOTE_READ,
				 resp->read.va + resp->read_off,
				 resp->read.length - resp->read_off, &remote);
	if (result != SODP_MEM_OK)
		return result;
	result = sodp_mem_copy_out(remote.region, remote.iova, payload, len,
				   &done);
	if (result != SODP_MEM_FAULT) {
		sodp_remote_end(&remote);
		return result;
	}
	miss->region = sodp_remote_keep_region(&remote);
	miss->iova = remote.iova + done;
	miss->length = resp->read.length - resp->read_off - done;
	miss->write = false;
	return result;
}

/* In the middle: stop here until the bytes are there. */
static enum sodp_verdict wait_for(struct sodp_qp *qp, struct sodp_miss *miss)
{
	qp->resp.read_waits = true;
	return sodp_resp_park(qp, miss);
}

static enum sodp_verdict respond(struct sodp_qp *qp, struct sodp_budget *budget)
{
	struct sodp_resp *resp = &qp->resp;
	u32 len = min(qp->mtu, resp->read.length - resp->read_off);
	struct sodp_pkt pkt = {
		.opcode = response_opcode(resp),
		.syndrome = SODP_AETH_ACK | SODP_AETH_UNLIMITED_CREDIT,
		.psn = resp->read_psn,
		.msn = resp->msn,
	};
	enum sodp_mem_result result;
	struct sodp_miss miss;
	struct sk_buff *skb;
	u8 *payload;

	skb = sodp_pkt_alloc(qp, &pkt, len, &payload);
	if (!skb) {
		sodp_resp_arm(qp, 1); /* no memory: try again soon */
		return SODP_HOLD;
	}
	result = fetch(qp, payload, len, &miss);
	if (result != SODP_MEM_OK) {
		kfree_skb(skb);
		if (result == SODP_MEM_FAULT)
			return wait_for(qp, &miss);
		return sodp_resp_read_denied(qp);
	}
	sodp_pkt_send(qp, skb);
	resp->answered = jiffies;
	budget->packets--;
	budget->bytes -= len;
	resp->read.valid = resp->read_psn != resp->read.last_psn;
	resp->read_off += len;
	resp->read_psn = sodp_psn_add(resp->read_psn, 1);
	return SODP_NEXT;
}

enum sodp_verdict sodp_resp_read_slice(struct sodp_qp *qp,
				       struct sodp_budget *budget)
{
	enum sodp_verdict verdict;

	do {
		verdict = respond(qp, budget);
	} while (verdict == SODP_NEXT && qp->resp.read.valid &&
		 budget->packets > 0 && budget->bytes > 0);
	return verdict;
}
