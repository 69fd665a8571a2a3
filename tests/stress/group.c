// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "group.h"
#include "guestsys.h"

const char *group_missing(void)
{
	if (access("/sys/fs/cgroup/memory.reclaim", F_OK) &&
	    access("/sys/fs/cgroup/run/memory.reclaim", F_OK))
		return "control groups without memory.reclaim (Linux 5.19)";
	return swap_missing();
}

void group_join(struct group *group)
{
	char line[100] = "";
	FILE *f = fopen("/proc/self/cgroup", "re");

	if (!f || !fgets(line, sizeof(line), f))
		die("/proc/self/cgroup");
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	snprintf(group->before, sizeof(group->before), "%s",
		 strrchr(line, ':') + 1);
	if (mkdir(GROUP_DIR, 0755) && errno != EEXIST)
		die(GROUP_DIR ": %s", strerror(errno));
	if (!sys_set(GROUP_DIR "/cgroup.procs", "0"))
		die(GROUP_DIR ": %s", strerror(errno));
}

void group_leave(const struct group *group)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cgroup.procs",
		 group->before);
	if (sys_set(path, "0"))
		rmdir(GROUP_DIR);
}
