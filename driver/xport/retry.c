// SPDX-License-Identifier: GPL-2.0
/*
 * When answers do not come: time-outs, gaps, NAKs. Everything is go-back-N
 * from una. IBTA 9.7.5.1.3, 9.7.6, 9.9.2.
 *
 * Two budgets, both full again whenever una moves: retries for loss (seven
 * means seven), rnr_retries for a receiver that is not ready (seven means for
 * ever). Waiting for a fault, ours or the peer's, spends no retries.
 *
 * Every loss halves the window, every answer lets it grow by one: going back
 * over many packets that were only late would make all of them later still.
 *
 * Timers only leave a bit and kick.
 */
#include "xport/req.h"

enum {
	RNR_FOREVER = 7,
	MIN_WINDOW = 4, /* packets, where much is lost or reordered */
	MAX_BACKOFF = 4, /* IBTA lets a time-out take four times its time */
};

static void retry_fired(struct timer_list *timer)
{
	struct sodp_req *req =
		container_of(timer, struct sodp_req, retry_timer);

	set_bit(SODP_REQ_TIMEOUT, &req->timer_events);
	sodp_side_kick(&req->side);
}

static void rnr_fired(struct timer_list *timer)
{
	struct sodp_req *req = container_of(timer, struct sodp_req, rnr_timer);

	set_bit(SODP_REQ_RNR_OVER, &req->timer_events);
	sodp_side_kick(&req->side);
}

void sodp_retry_init(struct sodp_qp *qp)
{
	timer_setup(&qp->req.retry_timer, retry_fired, 0);
	timer_setup(&qp->req.rnr_timer, rnr_fired, 0);
}

void sodp_retry_stop(struct sodp_qp *qp)
{
	timer_delete(&qp->req.retry_timer);
	timer_delete(&qp->req.rnr_timer);
	qp->req.rnr_wait = false;
}

void sodp_retry_stop_sync(struct sodp_qp *qp)
{
	timer_delete_sync(&qp->req.retry_timer);
	timer_delete_sync(&qp->req.rnr_timer);
	qp->req.timer_events = 0;
	qp->req.rnr_wait = false;
}

void sodp_retry_progress(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;

	req->since = jiffies;
	req->retries = qp->attr.retry_cnt;
	req->rnr_retries = qp->attr.rnr_retry;
	req->gone_back = false;
	if (req->rnr_wait) {
		req->rnr_wait = false;
		timer_delete(&req->rnr_timer);
	}
}

/* --- time --- */

/*
 * 4.096 us * 2^n, 0: for ever. A jiffy may be nearly over already: two. More
 * for each retry in vain, so that repeats do not choke what is slow.
 */
static unsigned long ack_timeout(const struct sodp_qp *qp)
{
	u32 spent = qp->attr.retry_cnt - qp->req.retries;
	u8 n = qp->attr.timeout & 0x1f;

	if (!n)
		return 0;
	return max(nsecs_to_jiffies(4096ULL << n) + 1, 2UL) *
	       min_t(u32, 1 + spent / 2, MAX_BACKOFF);
}

/*
 * The timer codes of an RNR NAK, IBTA 9.7.5.2.8: 10 us, then 20 and 30 us
 * times powers of two; 0 stands for what would be 32.
 */
static unsigned long rnr_delay_us(u8 timer)
{
	if (!timer)
		timer = 32;
	if (timer == 1)
		return 10;
	return (timer & 1 ? 30UL : 20UL) << ((timer - 2) / 2);
}

/*
 * One that is due too early stays: when it fires it finds that nothing is late,
 * and the pass that it kicks comes here again. So a stream of messages costs
 * one timer for each time-out, not one for each message.
 */
void sodp_retry_arm(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	unsigned long timeout = ack_timeout(qp);
	unsigned long due = req->since + timeout;

	/* Only what must bring an answer can be late. */
	if (!timeout || req->rnr_wait ||
	    sodp_psn_diff(req->asked, req->una) <= 0)
		return;
	if (!timer_pending(&req->retry_timer) ||
	    time_after(req->retry_timer.expires, due))
		mod_timer(&req->retry_timer, due);
}

/* --- going back --- */

static void resend(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	struct sodp_send_wqe *wqe = sodp_req_find(req, req->una);

	if (!req->retries) {
		sodp_count(qp->dev->counters, SODP_CNT_RETRY_EXCEEDED);
		if (wqe)
			wqe->status = IB_WC_RETRY_EXC_ERR;
		return;
	}
	req->retries--;
	req->since = jiffies;
	req->window = max_t(u32, req->window / 2, MIN_WINDOW);
	sodp_count(qp->dev->counters, SODP_CNT_RETRANSMITS);
	sodp_req_rewind(qp);
}

void sodp_retry_gap(struct sodp_qp *qp)
{
	/* What follows in the same flight shows the same gap. */
	if (qp->req.gone_back || qp->req.rnr_wait)
		return;
	qp->req.gone_back = true;
	resend(qp);
}

void sodp_retry_nak(struct sodp_qp *qp)
{
	qp->req.gone_back = true;
	resend(qp);
}

void sodp_retry_rnr(struct sodp_qp *qp, u8 timer)
{
	struct sodp_req *req = &qp->req;
	struct sodp_send_wqe *wqe;

	if (req->rnr_wait)
		return;
	if (qp->attr.rnr_retry != RNR_FOREVER) {
		if (!req->rnr_retries) {
			sodp_count(qp->dev->counters,
				   SODP_CNT_RNR_RETRY_EXCEEDED);
			wqe = sodp_req_find(req, req->una);
			if (wqe)
				wqe->status = IB_WC_RNR_RETRY_EXC_ERR;
			return;
		}
		req->rnr_retries--;
	}
	/* The peer is alive: what was lost before does not count any more. */
	req->retries = qp->attr.retry_cnt;
	req->gone_back = true;
	req->rnr_wait = true;
	sodp_req_rewind(qp);
	/* At least that long: the current jiffy may be nearly over. */
	mod_timer(&req->rnr_timer,
		  jiffies + usecs_to_jiffies(rnr_delay_us(timer)) + 1);
}

static void timed_out(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;
	unsigned long timeout = ack_timeout(qp);

	/* Rather late than wrong: answers may have come since it was armed. */
	if (!timeout || req->rnr_wait ||
	    sodp_psn_diff(req->asked, req->una) <= 0 ||
	    time_before(jiffies, req->since + timeout))
		return;
	sodp_count(qp->dev->counters, SODP_CNT_TIMEOUTS);
	req->gone_back = false;
	resend(qp);
}

void sodp_retry_events(struct sodp_qp *qp)
{
	struct sodp_req *req = &qp->req;

	if (test_and_clear_bit(SODP_REQ_RNR_OVER, &req->timer_events) &&
	    time_after_eq(jiffies, req->rnr_timer.expires))
		req->rnr_wait = false;
	if (test_and_clear_bit(SODP_REQ_TIMEOUT, &req->timer_events))
		timed_out(qp);
}
