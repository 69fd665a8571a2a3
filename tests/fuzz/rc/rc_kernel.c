// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rc_kernel.h"

unsigned int shim_skbs;

/* --- timers ------------------------------------------------------- */

static LIST_HEAD(timers);

void timer_setup(struct timer_list *timer, void (*fn)(struct timer_list *),
		 unsigned int flags)
{
	(void)flags;
	*timer = (struct timer_list){ .fn = fn };
}

void mod_timer(struct timer_list *timer, unsigned long expires)
{
	if (timer->shut_down)
		return;
	if (!timer->pending)
		list_add_tail(&timer->node, &timers);
	timer->pending = true;
	timer->expires = expires;
}

void timer_reduce(struct timer_list *timer, unsigned long expires)
{
	if (!timer->pending || time_before(expires, timer->expires))
		mod_timer(timer, expires);
}

void shim_timer_delete(struct timer_list *timer)
{
	if (timer->pending)
		list_del(&timer->node);
	timer->pending = false;
}

static struct timer_list *next_timer(void)
{
	struct timer_list *timer, *first = NULL;

	list_for_each_entry (timer, &timers, node)
		if (!first || time_before(timer->expires, first->expires))
			first = timer;
	return first;
}

unsigned long shim_next_timer(void)
{
	struct timer_list *timer = next_timer();

	return timer ? timer->expires : 0;
}

void shim_run_timers(void)
{
	struct timer_list *timer;
	int most = 100;

	local_bh_disable();
	while (most-- && (timer = next_timer()) &&
	       !time_after(timer->expires, jiffies)) {
		timer_delete(timer);
		timer->fn(timer);
	}
	local_bh_enable();
}

/* --- packets ------------------------------------------------------ */

struct sk_buff *shim_skb(size_t room, size_t len)
{
	struct sk_buff *skb = kzalloc(sizeof(*skb), GFP_ATOMIC);

	if (!skb)
		return NULL;
	skb->head = malloc(room + len ?: 1);
	memset(skb->head, 0xd5, room + len);
	skb->data = skb->head + room;
	skb->len = (unsigned int)len;
	shim_skbs++;
	return skb;
}

void kfree_skb(struct sk_buff *skb)
{
	WARN_ON_ONCE(skb->next || skb->prev);
	free(skb->head);
	free(skb);
	shim_skbs--;
}

void skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb)
{
	spin_lock(&q->lock);
	__skb_queue_tail(q, skb);
	spin_unlock(&q->lock);
}

void skb_unlink(struct sk_buff *skb, struct sk_buff_head *q)
{
	spin_lock(&q->lock);
	__skb_unlink(skb, q);
	spin_unlock(&q->lock);
}

struct sk_buff *skb_dequeue(struct sk_buff_head *q)
{
	struct sk_buff *skb;

	spin_lock(&q->lock);
	skb = skb_peek(q);
	if (skb)
		__skb_unlink(skb, q);
	spin_unlock(&q->lock);
	return skb;
}

void __skb_queue_purge(struct sk_buff_head *q)
{
	struct sk_buff *skb;

	while ((skb = skb_peek(q))) {
		__skb_unlink(skb, q);
		kfree_skb(skb);
	}
}

void skb_queue_purge(struct sk_buff_head *q)
{
	spin_lock(&q->lock);
	__skb_queue_purge(q);
	spin_unlock(&q->lock);
}

/* --- ib_core ------------------------------------------------------ */

bool ib_modify_qp_is_ok(enum ib_qp_state from, enum ib_qp_state to,
			enum ib_qp_type type, int mask)
{
	(void)type;
	(void)mask;
	if (to == IB_QPS_RESET || to == IB_QPS_ERR)
		return true;
	switch (from) {
	case IB_QPS_RESET:
		return to == IB_QPS_INIT;
	case IB_QPS_INIT:
		return to == IB_QPS_INIT || to == IB_QPS_RTR;
	case IB_QPS_RTR:
	case IB_QPS_RTS:
		return to == IB_QPS_RTS;
	default:
		return false;
	}
}
