// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A key-value store that a peer reads by itself: the table is a file, mapped
 * and registered on demand. It may be many times as large as memory; the pages
 * that are asked for come from the disk, those that are not used any more go.
 *
 * KV_FILE (default kv.table, made anew) and KV_MIB (default 64) say where and
 * how large, KV_GETS (default 2000) how many values the peer asks for.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <softodp/softodp.h>

#include "common.h"

struct record {
	uint64_t key;
	uint64_t sum; /* of the value */
	uint64_t value[30];
};

enum {
	AT_ONCE = 4096
}; /* records */

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x7fb5d329728ea185;
	return (x ^ x >> 27) * 0x81dadef4bc2dd44d;
}

static uint64_t sum(const struct record *r)
{
	uint64_t all = r->key;

	for (size_t i = 0; i < 30; i++)
		all = mix(all + r->value[i]);
	return all;
}

static void fill(int fd, uint64_t records)
{
	static struct record some[AT_ONCE];

	for (uint64_t at = 0; at < records; at += AT_ONCE) {
		for (uint64_t i = 0; i < AT_ONCE; i++) {
			some[i].key = at + i;
			for (size_t k = 0; k < 30; k++)
				some[i].value[k] = mix(at + i) + k;
			some[i].sum = sum(&some[i]);
		}
		if (write(fd, some, sizeof(some)) != sizeof(some))
			err(1, "the table");
	}
}

static void print_status(const char *const *lines, size_t n)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[200];

	while (file && fgets(line, sizeof(line), file))
		for (size_t i = 0; i < n; i++)
			if (!strncmp(line, lines[i], strlen(lines[i])))
				fputs(line, stdout);
	fflush(stdout);
}

static int own(struct ex_end *end)
{
	static const char *const lines[] = { "VmPin", "VmSize", "VmRSS" };
	const char *path = getenv("KV_FILE") ?: "kv.table";
	const size_t size = number("KV_MIB", 64) << 20;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct ex_memory memory = { .length = size };
	struct ibv_mr *mr;
	void *table;

	if (fd < 0)
		err(1, "%s", path);
	fill(fd, size / sizeof(struct record));
	table = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED)
		err(1, "%s", path);
	mr = softodp_reg_mr(end->pd, table, size, IBV_ACCESS_REMOTE_READ,
			    SOFTODP_REG_NO_PIN, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	memory.address = (uintptr_t)table;
	memory.rkey = mr->rkey;
	ex_send(end->sock, &memory, sizeof(memory));
	ex_sync(end); /* the peer has read what it wanted */
	print_status(lines, 3);
	ibv_dereg_mr(mr);
	close(fd);
	return unlink(path);
}

static int get(struct ex_end *end)
{
	const uint64_t gets = number("KV_GETS", 2000);
	struct ex_memory memory;
	struct record record;
	uint64_t i, bad = 0;
	struct ibv_mr *mr;

	mr = softodp_reg_mr(end->pd, &record, sizeof(record),
			    IBV_ACCESS_LOCAL_WRITE, 0, NULL);
	if (!mr)
		err(1, "softodp_reg_mr");
	ex_recv(end->sock, &memory, sizeof(memory));
	for (i = 0; i < gets; i++) {
		uint64_t key = mix(i + 1) % (memory.length / sizeof(record));
		enum ibv_wc_status status = ex_rdma(
			end, IBV_WR_RDMA_READ, mr, &record, sizeof(record),
			memory.address + key * sizeof(record), memory.rkey);

		if (status != IBV_WC_SUCCESS)
			errx(1, "READ: %s", ibv_wc_status_str(status));
		bad += record.key != key || record.sum != sum(&record);
	}
	printf("%llu values out of %llu MiB, %llu wrong\n",
	       (unsigned long long)gets,
	       (unsigned long long)(memory.length >> 20),
	       (unsigned long long)bad);
	fflush(stdout);
	ex_sync(end);
	ibv_dereg_mr(mr);
	return bad != 0;
}

int main(int argc, char **argv)
{
	return ex_main(argc, argv, own, get);
}
