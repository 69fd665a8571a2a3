// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* badinput DEVICE LOCAL_IP PEER_IP PEER_NAMESPACE */
#include "badinput.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned passed, failed;

void die(const char *what)
{
	fprintf(stderr, "badinput: %s: %s\n", what, strerror(errno));
	exit(2);
}

void report(bool ok, const char *table, const char *name, const char *why)
{
	ok ? passed++ : failed++;
	printf("%sok %u - %s: %s%s%s\n", ok ? "" : "not ", passed + failed,
	       table, name, ok ? "" : " # ", ok ? "" : why);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct dut dut;
	struct peer peer;

	if (argc != 5) {
		fprintf(stderr,
			"usage: %s DEVICE LOCAL_IP PEER_IP PEER_NAMESPACE\n",
			argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	peer_open(&peer, argv[4], argv[3], argv[2]);
	dut_open(&dut, argv[1], argv[3]);
	run_packets(&dut, &peer);
	run_verbs(&dut);
	run_rings(&dut);
	run_binds(&dut);
	printf("1..%u\n%u passed, %u failed\n", passed + failed, passed,
	       failed);
	return failed || passed < 60;
}
