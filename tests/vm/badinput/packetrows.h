/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A row of packetrows.c: packets, and what must come of them. */
#ifndef PACKETROWS_H
#define PACKETROWS_H

#include "packets.h"

enum expect {
	SILENT,
	IS_ACK,
	NAK_SEQ,
	NAK_INV,
	NAK_ACC,
	NAK_OP,
	RNR,
	DATA
};

enum {
	WC_NONE,
	WC_ANY = -1
};
#define WC(status) ((status) + 1)

struct row {
	const char *name;
	struct spec packets[3];
	int count;
	enum expect answer; /* to the last packet */
	int answer_psn; /* from VICTIM_PSN */
	const char *counter; /* moves by one at least */
	int wc; /* first completion; WC_NONE: none, or a flush in ERR */
	bool error; /* QP in ERR afterwards */
	bool writes; /* the region may have changed */
	bool hides; /* nobody can reach it any more when the last is sent */
	int no_access; /* taken from the QP's access flags */
	int no_receives; /* nothing posted */
	int rd_atomic; /* 0: 4; -1: none */
};

extern const struct row packet_rows[];
extern const size_t packet_rows_count;

#endif
