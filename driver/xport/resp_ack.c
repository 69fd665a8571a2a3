// SPDX-License-Identifier: GPL-2.0
/*
 * What the responder says that is not data: ACK, sequence NAK, RNR NAK, and
 * the NAKs that end a connection. IBTA 9.7.5; the error classes are those of
 * IBTA 9.9.3: A a fault of our own, B the connection goes on, C the peer's.
 */
#include "obs/trace.h"
#include "xport/resp.h"

enum {
	/*
	 * 1.28 ms, growing by half or a third each time: the peer learns of the
	 * fault's end late by less than half of what it took, and one that
	 * never ends costs little.
	 */
	RNR_CODE_FIRST = 14,
	RNR_CODES = 32, /* behind the last comes code 0: 655 ms */
};

static void send_aeth(struct sodp_qp *qp, u8 syndrome, u32 psn)
{
	struct sodp_pkt pkt = {
		.opcode = SODP_RC_ACK,
		.syndrome = syndrome,
		.psn = psn,
		.msn = qp->resp.msn,
	};
	struct sk_buff *skb;

	if (SODP_AETH_KIND(syndrome) != SODP_AETH_ACK)
		trace_nak_sent(qp->qpn, psn, syndrome);
	skb = sodp_pkt_alloc(qp, &pkt, 0, NULL);
	if (skb) /* else it is as if lost on the wire */
		sodp_pkt_send(qp, skb);
}

void sodp_resp_ack_later(struct sodp_resp *resp, u32 psn)
{
	struct sodp_qp *qp = container_of(resp, struct sodp_qp, resp);

	if (resp->ack_due)
		sodp_count(qp->dev->counters, SODP_CNT_ACKS_COALESCED);
	resp->ack_due = true;
	resp->ack_psn = psn;
}

void sodp_resp_ack_flush(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;

	if (!resp->ack_due)
		return;
	resp->ack_due = false;
	send_aeth(qp, SODP_AETH_ACK | SODP_AETH_UNLIMITED_CREDIT,
		  resp->ack_psn);
}

enum sodp_verdict sodp_resp_drop_message(struct sodp_qp *qp, u32 psn)
{
	struct sodp_resp *resp = &qp->resp;

	resp->psn = sodp_psn_add(psn, 1);
	resp->in_message = false;
	resp->received = 0;
	resp->held = false;
	resp->pkt_done = 0;
	sodp_count(qp->dev->counters, SODP_CNT_DROP_MESSAGE);
	return SODP_NEXT;
}

/* Class B: once, until the expected PSN comes. */
void sodp_resp_nak_seq(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;

	if (resp->nak_sent)
		return;
	resp->nak_sent = true;
	resp->ack_due = false; /* the NAK acknowledges what is before it */
	sodp_count(qp->dev->counters, SODP_CNT_TX_SEQ_NAK);
	send_aeth(qp, SODP_AETH_NAK | SODP_NAK_SEQ, resp->psn);
}

/*
 * Class B. An RNR NAK acknowledges what is before it too, but stock rxe goes
 * back to the last ACK it saw: say it aloud.
 */
static enum sodp_verdict rnr(struct sodp_qp *qp, u8 code)
{
	struct sodp_resp *resp = &qp->resp;

	sodp_resp_ack_flush(qp);
	resp->rnr_sent = true;
	resp->nak_sent = false;
	sodp_count(qp->dev->counters, SODP_CNT_TX_RNR);
	send_aeth(qp, SODP_AETH_RNR | code, resp->psn);
	return SODP_DROP_ALL;
}

enum sodp_verdict sodp_resp_rnr(struct sodp_qp *qp)
{
	if (!sodp_qp_is_rc(qp))
		return sodp_resp_drop_message(qp, qp->resp.psn);
	return rnr(qp, qp->attr.min_rnr_timer);
}

enum sodp_verdict sodp_resp_rnr_fault(struct sodp_qp *qp)
{
	struct sodp_resp *resp = &qp->resp;
	u8 code = (RNR_CODE_FIRST + resp->rnr_backoff) % RNR_CODES;

	if (code)
		resp->rnr_backoff++;
	resp->held = false;
	resp->pkt_done = 0; /* the peer sends the packet again, whole */
	sodp_count(qp->dev->counters, SODP_CNT_TX_RNR_FAULT);
	return rnr(qp, code);
}

static enum sodp_counter nak_counter(enum sodp_nak nak)
{
	switch (nak) {
	case SODP_NAK_REM_ACCESS:
		return SODP_CNT_TX_ACC_NAK;
	case SODP_NAK_REM_OP:
		return SODP_CNT_TX_OP_NAK;
	case SODP_NAK_SEQ:
		return SODP_CNT_TX_SEQ_NAK;
	case SODP_NAK_INVALID_REQ:
	default:
		return SODP_CNT_TX_INV_NAK;
	}
}

void sodp_resp_nak(struct sodp_qp *qp, u32 psn, enum sodp_nak nak)
{
	/* What was done is done; in the error state we are mute. */
	sodp_resp_ack_flush(qp);
	sodp_count(qp->dev->counters, nak_counter(nak));
	send_aeth(qp, SODP_AETH_NAK | nak, psn);
}

enum sodp_verdict sodp_resp_fail(struct sodp_qp *qp, u32 psn, enum sodp_nak nak,
				 enum ib_wc_status status)
{
	if (sodp_qp_is_rc(qp)) {
		sodp_resp_nak(qp, psn, nak);
	} else if (nak != SODP_NAK_REM_OP) {
		return sodp_resp_drop_message(qp, psn);
	}
	if (qp->resp.have_wqe)
		sodp_recv_complete_error(qp, status);
	sodp_qp_error(qp);
	return SODP_STOP;
}

/* Class C: a request that this connection does not allow. */
enum sodp_verdict sodp_resp_invalid(struct sodp_qp *qp, u32 psn)
{
	if (!sodp_qp_is_rc(qp))
		return sodp_resp_drop_message(qp, psn);
	sodp_resp_fail(qp, psn, SODP_NAK_INVALID_REQ, IB_WC_REM_INV_REQ_ERR);
	sodp_qp_event(qp, IB_EVENT_QP_REQ_ERR);
	return SODP_STOP;
}

/* Class C: memory that the peer may not, or cannot, reach. */
enum sodp_verdict sodp_resp_denied(struct sodp_qp *qp, u32 psn)
{
	if (!sodp_qp_is_rc(qp))
		return sodp_resp_drop_message(qp, psn);
	sodp_resp_fail(qp, psn, SODP_NAK_REM_ACCESS, IB_WC_REM_ACCESS_ERR);
	sodp_qp_event(qp, IB_EVENT_QP_ACCESS_ERR);
	return SODP_STOP;
}
