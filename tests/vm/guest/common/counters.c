// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util.h"

static int open_counter(const char *dev, const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path),
		 "/sys/class/infiniband/%s/ports/1/hw_counters/%s", dev, name);
	return open(path, flags);
}

bool counter_exists(const char *dev, const char *name)
{
	int fd = open_counter(dev, name, O_RDONLY);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static uint64_t read_counter(const char *dev, const char *name)
{
	char text[32] = "";
	ssize_t n;
	int fd;

	fd = open_counter(dev, name, O_RDONLY);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? strtoull(text, NULL, 10) : 0;
}

void counters(const char *dev, const char *const *names, uint64_t *values,
	      unsigned int n)
{
	static bool fresh;
	unsigned int i;
	int fd;

	/*
	 * ib_core shows values that are up to `lifespan` old, and even with a
	 * lifespan of 0 those of the same tick.
	 */
	if (!fresh) {
		fd = open_counter(dev, "lifespan", O_WRONLY);
		if (fd >= 0) {
			if (write(fd, "0", 1) == 1)
				fresh = true;
			close(fd);
		}
	}
	sleep_ms(fresh ? 9 : 20);
	for (i = 0; i < n; i++)
		values[i] = read_counter(dev, names[i]);
}

uint64_t counter(const char *dev, const char *name)
{
	uint64_t value;

	counters(dev, &name, &value, 1);
	return value;
}
