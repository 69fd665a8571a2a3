// SPDX-License-Identifier: GPL-2.0
/*
 * One owner of a side.
 *
 * Three bits: OWNED, PENDING (something came), STOPPED. Whoever brings work
 * sets PENDING and then tries to become the owner; an owner clears PENDING
 * before it looks for work and reads it again after it has let go. So work is
 * seen either by the one who leaves or by the one who comes.
 *
 * Nobody waits for the owner except sodp_side_stop(), which sleeps.
 */
#include <linux/bitops.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/wait_bit.h>

#include "xport.h"

enum {
	OWNED,
	PENDING,
	STOPPED,
};

enum {
	RUN_PASSES =
		2, /* where a packet or a doorbell came, then a work item */
	WORK_PASSES = 2, /* in a work item, then to the end of its queue */
	LINE_PASSES = 8, /* of those who were handed packets, at once */
};

/* Jiffies of patience for a CPU that has something else to do: 10 ms. */
#define OVERDUE msecs_to_jiffies(10)

static struct workqueue_struct *wq;

static void mark(struct sodp_side *side)
{
	/* What was queued before is seen by the pass: pairs with run_pass(). */
	smp_mb__before_atomic();
	set_bit(PENDING, &side->flags);
	/* Pairs with the barriers in let_go() and sodp_side_start(). */
	smp_mb__after_atomic();
}

static void let_go(struct sodp_side *side)
{
	clear_bit_unlock(OWNED, &side->flags);
	/*
	 * Pairs with mark() (PENDING, then OWNED) and with sodp_side_stop()
	 * (STOPPED, then OWNED).
	 */
	smp_mb__after_atomic();
	if (test_bit(STOPPED, &side->flags))
		wake_up_var(&side->flags);
}

static bool idle(const struct sodp_side *side)
{
	return !test_bit(PENDING, &side->flags) ||
	       test_bit(STOPPED, &side->flags);
}

/*
 * The CPU to stay on does not come to it: it is in a long loop of the kernel,
 * or real-time tasks have it. Packets out of order cost less than a peer that
 * times out.
 */
static bool overdue(const struct sodp_side *side)
{
	unsigned long since = READ_ONCE(side->since); /* pairs with come() */

	return since && !SODP_MUTANT(NO_CPU_PATIENCE) &&
	       time_after(jiffies, since + OVERDUE);
}

/* Nobody waits any more. */
static void come(struct sodp_side *side)
{
	WRITE_ONCE(side->since, 0); /* pairs with queue() and overdue() */
}

static void queue(struct sodp_side *side, struct work_struct *work)
{
	int cpu = READ_ONCE(side->cpu); /* pairs with stay(); a hint */
	unsigned int other;

	if (cpu < 0) {
		queue_work(wq, work);
		return;
	}
	other = overdue(side) ? cpumask_any_but(cpu_online_mask, cpu) :
				nr_cpu_ids;
	if (other < nr_cpu_ids) {
		/* One of the two waits in vain for that CPU. */
		if (!queue_work_on(other, wq, &side->work[0]))
			queue_work_on(other, wq, &side->work[1]);
		return;
	}
	/* Before the work item, which ends the wait: pairs with come(). */
	if (!READ_ONCE(side->since)) {
		WRITE_ONCE(side->since, jiffies ?: 1);
		/*
		 * Nobody else may come by: the peer waits for us, and its timer
		 * may be of the very CPU whose softirqs wait, too.
		 */
		sodp_side_kick_later(side, OVERDUE + 1);
	}
	queue_work_on(cpu, wq, work);
}

/* The owner only, softirqs off. */
static void stay(struct sodp_side *side)
{
	/* What is handed over is there already: nothing can overtake it. */
	bool on_its_way = side->in_flight && !side->by_hand;

	WRITE_ONCE(side->cpu, on_its_way ? raw_smp_processor_id() : -1);
}

/* Softirqs are off, so this CPU is not going to change. */
static bool elsewhere(const struct sodp_side *side)
{
	int cpu = READ_ONCE(side->cpu); /* pairs with stay() */

	return cpu >= 0 && cpu != raw_smp_processor_id() && cpu_online(cpu) &&
	       !overdue(side);
}

void sodp_side_forget_region(struct sodp_side *side)
{
	if (side->region)
		sodp_region_put(side->region);
	side->region = NULL;
}

/* Whom it has handed packets, with a reference to the QP; or NULL. */
static struct sodp_side *run_pass(struct sodp_side *side)
{
	struct sodp_side *peer;

	come(side);
	side->way_known = false;
	clear_bit(PENDING, &side->flags);
	smp_mb__after_atomic(); /* pairs with mark() */
	if (side->pass(side) == SODP_STEP_MORE)
		set_bit(PENDING, &side->flags);
	stay(side);
	sodp_side_forget_region(side);
	peer = side->peer;
	side->peer = NULL;
	return peer;
}

enum outcome {
	RAN,
	BUSY, /* it has an owner, who sees PENDING */
	AWAY, /* it is another CPU's */
};

/* Softirqs are off. */
static enum outcome try_pass(struct sodp_side *side, struct sodp_side **peer)
{
	enum outcome outcome = AWAY;

	*peer = NULL;
	if (test_and_set_bit(OWNED, &side->flags))
		return BUSY;
	if (!elsewhere(side)) {
		*peer = run_pass(side);
		outcome = RAN;
	}
	let_go(side);
	return outcome;
}

/*
 * Who was handed packets runs at once, and so do those whom they hand some:
 * in a line, never one within the other, whatever a program has connected with
 * what. Nobody up the stack owns a side meanwhile.
 *
 * Each in the line has a reference to its QP, for which that one's end has to
 * wait: so softirqs stay off until all are put, and we cannot be scheduled
 * away. What is left after some passes goes to work items.
 */
static void serve(struct sodp_side *side)
{
	/* A pass adds two at most: whom it handed packets, and itself. */
	struct sodp_side *line[1 + 2 * LINE_PASSES], *peer;
	int head = 0, tail = 0, passes = LINE_PASSES;
	enum outcome outcome;

	mark(side);
	line[tail++] = side;
	while (head < tail) {
		side = line[head++];
		outcome = BUSY;
		if (!idle(side)) {
			outcome = AWAY;
			peer = NULL;
			if (passes && passes--)
				outcome = try_pass(side, &peer);
			if (peer) {
				mark(peer);
				line[tail++] = peer;
			}
		}
		if (outcome == AWAY)
			queue(side, &side->work[0]);
		if (outcome == RAN && !idle(side))
			line[tail++] = side;
		else
			sodp_qp_put(side->qp);
	}
}

/*
 * A pass keeps its CPU, and what it sends stays in this CPU's backlog until it
 * ends. That its transfers cannot be preempted either is no reason: copy.c
 * sees to that itself. So the mutant has to leave out both.
 */
static void pass_begin(void)
{
	if (!SODP_MUTANT(NO_PREEMPT_OFF))
		local_bh_disable();
}

static void pass_end(void)
{
	if (!SODP_MUTANT(NO_PREEMPT_OFF))
		local_bh_enable();
}

/* True: there is more to do, and nobody who would do it. */
static bool run(struct sodp_side *side, int passes)
{
	enum outcome outcome = RAN;
	struct sodp_side *peer;

	while (outcome == RAN && !idle(side)) {
		if (!passes--)
			return true;
		pass_begin();
		outcome = try_pass(side, &peer);
		if (peer)
			serve(peer);
		pass_end();
	}
	return outcome == AWAY;
}

/*
 * Back-pressure. What a pass sends over loopback or veth waits in this CPU's
 * backlog for a softirq; a sender that is faster than that drops packets, its
 * own and those of others. Softirqs that are still pending here have been left
 * to ksoftirqd, and it needs the CPU that we would take.
 */
static void let_softirqs_catch_up(void)
{
	int patience = 100;

	while (local_softirq_pending() && patience--)
		usleep_range(50, 200);
}

/*
 * A work item that queues itself while it runs stays on its CPU, whatever CPU
 * is asked for. So it goes on in the other one, which is free to move.
 */
static void work_on(struct sodp_side *side, struct work_struct *other)
{
	/* On another one it is because the wait is overdue, and has to be. */
	if (READ_ONCE(side->cpu) == raw_smp_processor_id())
		come(side);
	let_softirqs_catch_up();
	if (run(side, WORK_PASSES))
		queue(side, other);
}

static void side_work(struct work_struct *work)
{
	struct sodp_side *side = container_of(work, struct sodp_side, work[0]);

	work_on(side, &side->work[1]);
}

static void side_moved(struct work_struct *work)
{
	struct sodp_side *side = container_of(work, struct sodp_side, work[1]);

	work_on(side, &side->work[0]);
}

static void side_later(struct timer_list *timer)
{
	sodp_side_kick(container_of(timer, struct sodp_side, later));
}

void sodp_side_init(struct sodp_side *side, struct sodp_qp *qp,
		    enum sodp_step (*pass)(struct sodp_side *side))
{
	side->flags = 0;
	side->qp = qp;
	side->region = NULL;
	side->pass = pass;
	side->peer = NULL;
	side->way_known = false;
	side->by_hand = false;
	side->in_flight = false;
	side->cpu = -1;
	side->since = 0;
	INIT_WORK(&side->work[0], side_work);
	INIT_WORK(&side->work[1], side_moved);
	timer_setup(&side->later, side_later, 0);
}

void sodp_side_kick(struct sodp_side *side)
{
	mark(side);
	if (!test_bit(STOPPED, &side->flags))
		queue(side, &side->work[0]);
}

void sodp_side_run(struct sodp_side *side)
{
	mark(side);
	if (run(side, RUN_PASSES))
		queue(side, &side->work[0]);
}

void sodp_side_kick_later(struct sodp_side *side, unsigned long delay)
{
	timer_reduce(&side->later, jiffies + delay);
}

void sodp_side_stop(struct sodp_side *side)
{
	might_sleep();
	set_bit(STOPPED, &side->flags);
	/* test_and_set_bit() orders the two; pairs with let_go(). */
	wait_var_event(&side->flags, !test_and_set_bit(OWNED, &side->flags));
}

void sodp_side_start(struct sodp_side *side)
{
	WARN_ON_ONCE(!test_bit(STOPPED, &side->flags));
	clear_bit(STOPPED, &side->flags);
	clear_bit_unlock(OWNED, &side->flags);
	smp_mb__after_atomic(); /* pairs with mark() */
	if (test_bit(PENDING, &side->flags))
		queue(side, &side->work[0]);
}

void sodp_side_destroy(struct sodp_side *side)
{
	WARN_ON_ONCE(!test_bit(STOPPED, &side->flags));
	timer_delete_sync(&side->later);
	/* Stopped, neither goes on in the other; one still may have. */
	cancel_work_sync(&side->work[0]);
	cancel_work_sync(&side->work[1]);
	cancel_work_sync(&side->work[0]);
	/* The last of them may have set it. It finds the side stopped. */
	timer_delete_sync(&side->later);
}

int sodp_sched_init(void)
{
	/*
	 * Apart from the faults' queue: those may sleep for long. Not of high
	 * priority: ksoftirqd, which receives, is not either. Per CPU, for the
	 * sake of the order of packets: see sodp_side.
	 */
	wq = alloc_workqueue("softodp_xport",
			     WQ_PERCPU | WQ_CPU_INTENSIVE | WQ_MEM_RECLAIM, 0);
	return wq ? 0 : -ENOMEM;
}

void sodp_sched_exit(void)
{
	destroy_workqueue(wq);
}
