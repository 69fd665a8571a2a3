// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pages.h"

static unsigned int count_pagemap(const void *addr, unsigned int n, int bit)
{
	unsigned int i, sum = 0;
	uint64_t word;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0)
		die("/proc/self/pagemap: %s", strerror(errno));
	for (i = 0; i < n; i++) {
		if (pread(fd, &word, 8, ((uintptr_t)addr / PAGE + i) * 8) != 8)
			die("pagemap: %s", strerror(errno));
		sum += word >> bit & 1;
	}
	close(fd);
	return sum;
}

unsigned int pages_swapped(const void *addr, unsigned int n)
{
	return count_pagemap(addr, n, 62);
}

unsigned int pages_present(const void *addr, unsigned int n)
{
	return count_pagemap(addr, n, 63);
}

void drain_batches(void *addr)
{
	int node = 0, status;

	if (syscall(SYS_move_pages, 0, 1, &addr, &node, &status, 0))
		tap_note("move_pages: %s", strerror(errno));
}

bool page_out(void *addr, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 50; i++) {
		drain_batches(addr);
		if (madvise(addr, n * PAGE, MADV_PAGEOUT))
			die("MADV_PAGEOUT: %s", strerror(errno));
		if (pages_present(addr, n) <= n / 8)
			return true;
		sleep_ms(10);
	}
	return false;
}

bool swap_is_on(void)
{
	char line[256];
	FILE *f = fopen("/proc/swaps", "r");
	unsigned int lines = 0;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (f)
		fclose(f);
	return lines > 1;
}
