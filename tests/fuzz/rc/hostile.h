/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the parts of fuzz_rc.c share. */
#ifndef RC_HOSTILE_H
#define RC_HOSTILE_H

#include "fuzz.h"
#include "rc_host.h"

extern struct fuzz_bytes rc_bytes;
extern struct rc_end victim;
extern u32 rc_mtu;

static inline u32 pick(u32 n)
{
	return fuzz_below(&rc_bytes, n);
}

/* Zeros make something that is right: most of what a fuzzer tries is that. */
static inline bool rarely(u32 n)
{
	return pick(n) == n - 1;
}

/* --- hostile_mem.c: regions, and what happens to the memory below ----- */

#define RC_REGIONS 6
#define RC_WINDOWS 4

void rc_map_memory(void);
void rc_end_regions(void);
void rc_memory_step(void);
/* Nobody has written where nobody may. */
void rc_check_guards(void);
/* Nothing of what nobody may read is in there. */
void rc_check_secret(const u8 *bytes, size_t len);

/* A key, an address, a length, a PSN: mostly the right one. */
u32 some_key(size_t region);
u32 some_window(void);
u64 some_va(size_t region);
u32 some_length(u32 right);
u32 some_psn(u32 right);

/* --- hostile_peer.c: packets ------------------------------------------ */

extern unsigned long rc_sent;

void rc_request(void);
void rc_response(void); /* that nobody may have asked for */
void rc_raw_packet(void);
/* What it sent shows nobody's secrets; and some of it is answered. */
void rc_wire_step(unsigned int most);

/* --- hostile_prog.c: the program's rings ------------------------------ */

void rc_post_some_send(void);
void rc_post_some_recv(void);
void rc_scribble(void);

#endif
