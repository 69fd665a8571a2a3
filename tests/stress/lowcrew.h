/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel workers whose allocations are made to fail from outside. */
#ifndef STRESS_LOWCREW_H
#define STRESS_LOWCREW_H

#define WORKERS 512

struct worker {
	char pid[16];
	int name, nth; /* comm and fail-nth in /proc/PID */
};

/* Those that may be given the work of a queue. */
struct crew {
	const char *prefix; /* of their names */
	const char *queue; /* is in the name of who has run its work */
	unsigned int n;
	struct worker worker[WORKERS];
};

enum met {
	NOBODY, /* of those who were armed has done it */
	SPARED, /* it has fewer allocations */
	HIT,
};

/* Those that are there now: the kernel makes and ends them as it needs them. */
void crew_find(struct crew *c);
/* Disarms all. */
void crew_leave(struct crew *c);
/* The @n-th allocation of each fails. */
void crew_arm(struct crew *c, unsigned int n);
/* What became of those who were armed for their @n-th; disarms all. */
enum met crew_met(struct crew *c, unsigned int n);
/* "1": what fails for marked tasks fails for them; "0": no more. */
void crew_mark(struct crew *c, const char *text);

#endif
