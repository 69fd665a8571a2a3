// SPDX-License-Identifier: GPL-2.0
/*
 * skbs of packets that are handed over (xport/handover.c) are used again. That
 * is simple because nobody but the two queue pairs has ever seen them: they
 * have no reference, device, route or header that would have to be let go.
 *
 * A few for each CPU and size: about what two passes need. They are kept until
 * the last device is gone.
 */
#include <linux/percpu.h>
#include <linux/skbuff.h>

#include "net/net.h"
#include "wire/pkt.h"

static const struct {
	unsigned int size; /* of data */
	unsigned int most; /* kept */
} classes[] = {
	{ 256, 64 },
	{ 1024, 64 },
	{ SODP_MAX_MTU, 16 },
};

struct spares {
	/* The locks are for who is migrated, or preempted on PREEMPT_RT. */
	struct sk_buff_head of[ARRAY_SIZE(classes)];
};

static DEFINE_PER_CPU(struct spares, spares);

struct sk_buff *sodp_spare_get(size_t len)
{
	struct sk_buff *skb = NULL;
	struct sk_buff_head *list;
	unsigned int i = 0;

	while (i < ARRAY_SIZE(classes) - 1 && len > classes[i].size)
		i++;
	list = &raw_cpu_ptr(&spares)->of[i];
	if (!skb_queue_empty_lockless(list))
		skb = skb_dequeue_tail(list);
	if (!skb)
		skb = alloc_skb(max_t(size_t, len, classes[i].size),
				GFP_ATOMIC);
	if (skb)
		skb_put(skb, len);
	return skb;
}

void sodp_spare_put(struct sk_buff *skb)
{
	struct sk_buff_head *list;
	unsigned int i = ARRAY_SIZE(classes);

	while (i && skb_end_offset(skb) < classes[i - 1].size)
		i--;
	/* What came out of the kernel's last reserve goes back there. */
	if (!i || skb_pfmemalloc(skb)) {
		consume_skb(skb);
		return;
	}
	list = &raw_cpu_ptr(&spares)->of[i - 1];
	if (skb_queue_len_lockless(list) >= classes[i - 1].most) {
		consume_skb(skb);
		return;
	}
	__skb_trim(skb, 0);
	skb_queue_tail(list, skb);
}

static void for_each(void (*fn)(struct sk_buff_head *list))
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu (cpu)
		for (i = 0; i < ARRAY_SIZE(classes); i++)
			fn(&per_cpu_ptr(&spares, cpu)->of[i]);
}

void sodp_spare_init(void)
{
	for_each(skb_queue_head_init);
}

void sodp_spare_drop(void)
{
	for_each(skb_queue_purge);
}
