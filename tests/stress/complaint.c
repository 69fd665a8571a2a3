// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the kernel complains of while a scenario runs is that scenario's
 * failure. What a complaint is, tests/vm/check.sh knows; it is asked as rarely
 * as may be, since an emulated guest feels every exec.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

#define QUIET_MS 300 /* a report of many lines has ended */
#define AGAIN_MS 2000
#define WARNING	 4 /* the level, and those below it */

static const char *checker; /* check.sh */
static int kmsg = -1;
static uint64_t latest, asked; /* ms: the kernel's latest line; we the shell */
static bool some, bad; /* lines since then, and one that is a warning */

void complaint_open(void)
{
	checker = getenv("SD_CHECK");
	if (checker)
		kmsg = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0)
		tap_note("what the kernel says is not looked at here: %s",
			 checker ? strerror(errno) : "no SD_CHECK");
}

/* What came since the last time. */
static void drain(void)
{
	char record[9000];
	unsigned int prio;
	ssize_t n;

	for (;;) {
		n = read(kmsg, record, sizeof(record) - 1);
		if (!n || (n < 0 && errno != EPIPE))
			return;
		record[n < 0 ? 0 : n] = 0;
		/* Lines that were lost may have been anything. */
		if (n < 0)
			prio = 0;
		else if (sscanf(record, "%u,", &prio) != 1 || prio >> 3)
			continue; /* not the kernel's own */
		some = true;
		bad |= (prio & 7) <= WARNING;
		latest = now_ms();
	}
}

void complaint_begin(const struct run *r)
{
	char text[120];
	int len;

	if (kmsg < 0)
		return;
	len = snprintf(text, sizeof(text), "<5>softodp-run: stress/%s: start\n",
		       r->sc->name);
	if (write(kmsg, text, len) != len)
		die("/dev/kmsg: %s", strerror(errno));
	lseek(kmsg, 0, SEEK_END);
	some = bad = false;
	asked = 0;
}

static void ask(struct run *r)
{
	char text[600], line[160] = "";
	FILE *shell;

	some = bad = false;
	asked = now_ms();
	snprintf(text, sizeof(text),
		 "bash -c '. \"$SD_CHECK\" && check_dirty \"stress/%s\" \"\"'",
		 r->sc->name);
	fflush(stdout);
	shell = popen(text, "r");
	if (!shell)
		die("bash: %s", strerror(errno));
	if (!fgets(line, sizeof(line), shell))
		line[0] = 0;
	/* All of it, so that the shell does not end by a signal. */
	while (fgets(text, sizeof(text), shell))
		;
	pclose(shell);
	line[strcspn(line, "\n")] = 0;
	if (*line)
		fail(r, "the kernel: %s", line);
}

void complaint_look(struct run *r)
{
	if (kmsg < 0)
		return;
	drain();
	/* Soon, so that the trace still has the moments before it. */
	if (bad && !failed(r) && now_ms() - latest >= QUIET_MS &&
	    now_ms() - asked >= AGAIN_MS)
		ask(r);
}

void complaint_end(struct run *r)
{
	unsigned int i;

	if (kmsg < 0)
		return;
	drain();
	for (i = 0; i < 100 && some && now_ms() - latest < QUIET_MS; i++) {
		sleep_ms(20);
		drain();
	}
	if (some)
		ask(r);
}
