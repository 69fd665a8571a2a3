/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The log on its own (LOG_ALONE): any ranges, in any nesting, against what is
 * true. Everything here happens under the fence lock.
 */
bit crossed[FAULTERS * PAGES]; /* a range was over the page since the sample */

#define TELL(asker)                                                         \
	if                                                                  \
	:: sample[asker] ->                                                 \
		v = a;                                                      \
		do                                                          \
		:: v <= b -> crossed[(asker) * PAGES + v] = 1; v++          \
		:: else -> break                                            \
		od;                                                         \
		v = 0                                                       \
	:: else                                                             \
	fi

proctype ranger()
{
	byte a, b, round;

	do
	:: round < ROUNDS ->
		atomic {
			pick(a, PAGES - 1);
			b = a;
			do
			:: b < PAGES - 1 -> b++
			:: break
			od;
			round++
		};
		NO_JUMP;
		d_step {
			log_begin(a, b);
			EVERYWHERE(begun, 1);
			printf("@%d|begin %d-%d\n", _pid, a, b);
			TELL(0);
#if FAULTERS > 1
			TELL(1);
#endif
			skip
		};
		d_step {
			EVERYWHERE(begun, -1);
			log_end(a, b);
			printf("@%d|end %d-%d\n", _pid, a, b);
			a = 0;
			b = 0
		}
	:: break
	od
}

/* What sodp_log_active() and sodp_log_crossed() may say of a page. */
#define ASK(page)                                                              \
	MUST(F3, LOG_ACTIVE(page) || !begun[page]);                            \
	MUST(EXACT, !LOG_ACTIVE(page) || begun[page] || crowd);                \
	MUST(F3, LOG_CROSSED(page, sample[me]) || !crossed[me * PAGES + page]); \
	MUST(EXACT, !LOG_CROSSED(page, sample[me]) ||                          \
			    crossed[me * PAGES + page] || crowd || past)

proctype asker(byte me)
{
	do
	:: d_step {
		LOG_SAMPLE(me);
		printf("@%d|sample: clock %d\n", _pid, clock);
		v = 0;
		do
		:: v < PAGES -> crossed[me * PAGES + v] = begun[v] > 0; v++
		:: else -> break
		od;
		v = 0
	   };
	   d_step {
		printf("@%d|asks for each page\n", _pid);
		do
		:: v < PAGES -> ASK(v); v++
		:: else -> break
		od;
		v = 0;
		do
		:: v < PAGES -> crossed[me * PAGES + v] = 0; v++
		:: else -> break
		od;
		v = 0;
		log_unsample(me)
	   }
	:: break
	od
}
