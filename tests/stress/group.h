/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A memory control group for this process alone. */
#ifndef STRESS_GROUP_H
#define STRESS_GROUP_H

#define GROUP_DIR "/sys/fs/cgroup/stress-squeeze"

struct group {
	char before[120]; /* path of the group that it came from */
};

/* Why there can be none, or NULL. */
const char *group_missing(void);
void group_join(struct group *group);
void group_leave(const struct group *group);

#endif
