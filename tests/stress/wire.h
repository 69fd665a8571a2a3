/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A wire that loses, repeats, mixes up and falsifies: netem on lo. */
#ifndef STRESS_WIRE_H
#define STRESS_WIRE_H

#include "stress.h"

const char *wire_missing(void);
/*
 * From now on the device's packets to itself go over lo. The run goes on until
 * some came falsified; wire_close() fails it if none did, or if nothing was
 * lost, repeated or late.
 */
void wire_open(struct run *r);
/* What netem does from now on. */
void wire_set(struct run *r, const char *netem);
void wire_close(struct run *r);
/* By who started the run, if it did not come to that. */
void wire_mend(const struct run *r);

/* A scenario's run(), over a wire that does a little of everything. */
void wire_run(struct run *r, void (*run)(struct run *r));

#endif
