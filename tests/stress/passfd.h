/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef STRESS_PASSFD_H
#define STRESS_PASSFD_H

/* A descriptor over a unix socket, to another process. They block. */
void pass_fd(int sock, int fd);
int take_fd(int sock);

#endif
