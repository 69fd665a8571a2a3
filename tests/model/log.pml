/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * mem/log.c: the range log. Its functions are called under the fence lock, so
 * each is one indivisible step.
 *
 * Nobody can tell one clock from another while no sample is out; then the
 * clock is set back to 1, so that it stays small. A slot that is free holds
 * zeros, for the same reason.
 */
#define FREE   0
#define ACTIVE 1
#define ENDED  2

typedef range {
	byte first;
	byte last;
	byte state;
	byte ended
}

range slot[SLOTS];
byte high;
byte clock = 1;
byte crowd, crowd_first, crowd_last;
byte past, past_first, past_last; /* past: when it ended, 0 for none */
byte sample[FAULTERS + 1]; /* its clock, 0 for none out */

byte t, u, v; /* of indivisible steps, zero after each */

#define OVERLAP(first, last, page) ((first) <= (page) && (page) <= (last))

/* wanted() */
#if FAULTERS > 1
#define WANTED(end) \
	((sample[0] && (end) > sample[0]) || (sample[1] && (end) > sample[1]))
#define NO_SAMPLES (!sample[0] && !sample[1])
#else
#define WANTED(end) (sample[0] && (end) > sample[0])
#define NO_SAMPLES (!sample[0])
#endif

#define IN_SLOT(i, page) \
	(slot[i].state == ACTIVE && OVERLAP(slot[i].first, slot[i].last, page))
/*
 * The slot's time is that of its end: a range is asked for whether it was
 * active at any time since the sample. ASK_STARTS: only whether it began since,
 * and the slot's time is that of its start. ASK_OLDER: whenever it ended.
 */
#ifdef ASK_OLDER
#define NEWER(i, smp) true
#else
#define NEWER(i, smp) (slot[i].ended > (smp))
#endif
#define SINCE(i, page, smp)                          \
	(slot[i].state == ENDED && NEWER(i, smp) && \
	 OVERLAP(slot[i].first, slot[i].last, page))
#define IN_CROWD(page) (crowd && OVERLAP(crowd_first, crowd_last, page))
#define IN_PAST(page, smp) \
	(past > (smp) && OVERLAP(past_first, past_last, page))

/* sodp_log_active(), sodp_log_crossed() */
#if SLOTS > 1
#define LOG_ACTIVE(page) (IN_SLOT(0, page) || IN_SLOT(1, page) || IN_CROWD(page))
#define LOG_CROSSED(page, smp)                            \
	(LOG_ACTIVE(page) || SINCE(0, page, smp) || \
	 SINCE(1, page, smp) || IN_PAST(page, smp))
#else
#define LOG_ACTIVE(page) (IN_SLOT(0, page) || IN_CROWD(page))
#define LOG_CROSSED(page, smp) \
	(LOG_ACTIVE(page) || SINCE(0, page, smp) || IN_PAST(page, smp))
#endif

/* fold_into_past() */
inline fold(from, to, when)
{
	if
	:: !past -> past_first = from; past_last = to
	:: else ->
		past_first = (from < past_first -> from : past_first);
		past_last = (to > past_last -> to : past_last)
	fi;
	past = (when > past -> when : past)
}

/* forget_unwanted() */
inline forget()
{
	u = 0;
	do
	:: u < high ->
		if
		:: slot[u].state == ENDED && !WANTED(slot[u].ended) ->
			slot[u].state = FREE;
			slot[u].first = 0;
			slot[u].last = 0;
			slot[u].ended = 0
		:: else
		fi;
		u++
	:: else -> break
	od;
	do
	:: high > 0 && slot[high - 1].state == FREE -> high--
	:: else -> break
	od;
	if
	:: past && !WANTED(past) -> past = 0; past_first = 0; past_last = 0
	:: else
	fi
}

/* get_slot(): t is the slot, or SLOTS when all are active */
inline get_slot()
{
	forget();
	t = 0;
	u = SLOTS; /* the one that ended first */
	do
	:: t < high && slot[t].state != FREE ->
		if
		:: slot[t].state == ENDED && u == SLOTS -> u = t
		:: slot[t].state == ENDED && u != SLOTS ->
			u = (slot[t].ended < slot[u].ended -> t : u)
		:: else
		fi;
		t++
	:: else -> break
	od;
	if
	:: t < high
	:: t == high && high < SLOTS -> high++
	:: t == high && high == SLOTS && u != SLOTS ->
		fold(slot[u].first, slot[u].last, slot[u].ended);
		t = u
	:: else /* t is SLOTS */
	fi
}

/* sodp_log_begin() */
inline log_begin(from, to)
{
	get_slot();
	if
	:: t < SLOTS ->
		slot[t].first = from;
		slot[t].last = to;
		slot[t].state = ACTIVE;
#ifdef ASK_STARTS
		clock++;
		slot[t].ended = clock
#else
		slot[t].ended = 0
#endif
	:: else ->
		if
		:: !crowd -> crowd_first = from; crowd_last = to
		:: else ->
			crowd_first = (from < crowd_first -> from : crowd_first);
			crowd_last = (to > crowd_last -> to : crowd_last)
		fi;
#ifdef HULL_NOT_COUNTED
		crowd = 1
#else
		crowd++
#endif
	fi;
	t = 0;
	u = 0
}

/* sodp_log_end() */
inline log_end(from, to)
{
#ifndef ASK_STARTS
	clock++;
#endif
	t = 0;
	do
	:: t < high && !(slot[t].state == ACTIVE && slot[t].first == from &&
			 slot[t].last == to) -> t++
	:: else -> break
	od;
	if
	:: t < high ->
		slot[t].state = ENDED;
#ifndef ASK_STARTS
		slot[t].ended = clock
#endif
	:: else ->
		MUST(F7, crowd); /* an end without a start */
		crowd--;
		if
		:: !crowd -> crowd_first = 0; crowd_last = 0
		:: else
		fi;
		if
		:: !NO_SAMPLES -> fold(from, to, clock)
		:: else
		fi
	fi;
	t = 0;
	settle()
}

/* Not in the driver: see the head of this file. */
inline settle()
{
	if
	:: NO_SAMPLES && clock > 1 ->
		clock = 1;
		past = (past -> 1 : 0);
		u = 0;
		do
		:: u < high ->
			slot[u].ended = (slot[u].state == ENDED -> 1 : 0);
			u++
		:: else -> break
		od;
		u = 0
	:: else
	fi
}

/* sodp_log_sample(), sodp_log_unsample() */
#define LOG_SAMPLE(me)	 sample[me] = clock
inline log_unsample(me)
{
	sample[me] = 0;
	settle()
}
