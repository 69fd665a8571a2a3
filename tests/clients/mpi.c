// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Programs of MPI, each of which compares what it got.
 *
 *   mpi ring        messages of many lengths go around, each rank adds to them
 *   mpi alltoall    every rank to every rank, fixed and varying lengths
 *   mpi onesided    put, get, accumulate, compare-and-swap in windows
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, ranks;
static int wrong;

static void check(int ok, const char *what, size_t n)
{
	if (ok)
		return;
	fprintf(stderr, "FAIL: rank %d: %s, %zu\n", rank, what, n);
	wrong++;
}

static void *room(size_t bytes)
{
	void *p = calloc(1, bytes ? bytes : 1);

	if (!p) {
		fprintf(stderr, "FAIL: no memory\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	return p;
}

static uint32_t word(uint32_t seed, uint32_t i)
{
	uint32_t x = seed * 2654435761U + i * 40503U + 1;

	x ^= x >> 15;
	return x * 2246822519U;
}

/* --- ring ------------------------------------------------------------------ */

static const size_t lengths[] = { 0, 1, 16, 1000, 4096, 20000, 300000 };

/* Rank 0 starts with words; each adds its number + 1 to all of them. */
static void ring_once(size_t n, uint32_t seed)
{
	int next = (rank + 1) % ranks, before = (rank + ranks - 1) % ranks;
	uint32_t *buf = room(n * sizeof(*buf)), add, i;
	MPI_Status status;
	int got, ok = 1;

	if (rank == 0) {
		for (i = 0; i < n; i++)
			buf[i] = word(seed, i);
		MPI_Send(buf, (int)n, MPI_UINT32_T, next, 7, MPI_COMM_WORLD);
	}
	MPI_Recv(buf, (int)n, MPI_UINT32_T, before, 7, MPI_COMM_WORLD, &status);
	MPI_Get_count(&status, MPI_UINT32_T, &got);
	check(got == (int)n, "ring: a message's length", (size_t)got);
	if (rank) {
		for (i = 0; i < n; i++)
			buf[i] += (uint32_t)rank + 1;
		MPI_Send(buf, (int)n, MPI_UINT32_T, next, 7, MPI_COMM_WORLD);
	} else {
		add = (uint32_t)(ranks * (ranks + 1) / 2) - 1;
		for (i = 0; i < n; i++)
			ok = ok && buf[i] == word(seed, i) + add;
		check(ok, "ring: a message's words", n);
	}
	free(buf);
}

static void ring(void)
{
	uint32_t round;
	size_t i;

	for (round = 0; round < 10; round++)
		for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
			ring_once(lengths[i], round);
}

/* --- all to all ------------------------------------------------------------ */

static void fixed(int n)
{
	uint32_t *out = room(sizeof(*out) * n * ranks);
	uint32_t *in = room(sizeof(*in) * n * ranks);
	int r, i, ok = 1;

	for (r = 0; r < ranks; r++)
		for (i = 0; i < n; i++)
			out[r * n + i] = word(rank * 64 + r, i);
	MPI_Alltoall(out, n, MPI_UINT32_T, in, n, MPI_UINT32_T, MPI_COMM_WORLD);
	for (r = 0; r < ranks; r++)
		for (i = 0; i < n; i++)
			ok = ok && in[r * n + i] == word(r * 64 + rank, i);
	check(ok, "alltoall", n);
	free(out);
	free(in);
}

/* From rank a to rank b go 1000 a + 10 b + 1 words. */
static void varying(void)
{
	int *count = room(4 * sizeof(int) * ranks), *at = count + ranks;
	int *icount = at + ranks, *iat = icount + ranks;
	uint32_t *out, *in;
	int r, i, n = 0, m = 0, ok = 1;

	for (r = 0; r < ranks; r++) {
		at[r] = n;
		n += count[r] = 1000 * rank + 10 * r + 1;
		iat[r] = m;
		m += icount[r] = 1000 * r + 10 * rank + 1;
	}
	out = room(sizeof(*out) * n);
	in = room(sizeof(*in) * m);
	for (r = 0; r < ranks; r++)
		for (i = 0; i < count[r]; i++)
			out[at[r] + i] = word(rank * 64 + r, i);
	MPI_Alltoallv(out, count, at, MPI_UINT32_T, in, icount, iat,
		      MPI_UINT32_T, MPI_COMM_WORLD);
	for (r = 0; r < ranks; r++)
		for (i = 0; i < icount[r]; i++)
			ok = ok && in[iat[r] + i] == word(r * 64 + rank, i);
	check(ok, "alltoallv", m);
	free(out);
	free(in);
	free(count);
}

static void alltoall(void)
{
	uint32_t sum = 0, mine = (uint32_t)rank + 1;
	int round;

	for (round = 0; round < 5; round++) {
		fixed(1);
		fixed(700);
		fixed(50000);
		varying();
		MPI_Allreduce(&mine, &sum, 1, MPI_UINT32_T, MPI_SUM,
			      MPI_COMM_WORLD);
		check(sum == (uint32_t)(ranks * (ranks + 1) / 2), "allreduce",
		      sum);
	}
}

/* --- one-sided ------------------------------------------------------------- */

#define PIECE 20000 /* words of each rank in each window */

static void put_and_get(uint32_t *base, MPI_Win win, uint32_t seed)
{
	int next = (rank + 1) % ranks, r, i, ok = 1;
	uint32_t *buf = room(sizeof(*buf) * PIECE);

	for (i = 0; i < PIECE; i++)
		buf[i] = word(seed + rank, i);
	MPI_Win_fence(MPI_MODE_NOPRECEDE, win);
	for (r = 0; r < ranks; r++)
		MPI_Put(buf, PIECE, MPI_UINT32_T, r, (MPI_Aint)rank * PIECE,
			PIECE, MPI_UINT32_T, win);
	MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
	for (r = 0; r < ranks; r++)
		for (i = 0; i < PIECE; i++)
			ok = ok && base[r * PIECE + i] == word(seed + r, i);
	check(ok, "put", seed);
	memset(buf, 0, sizeof(*buf) * PIECE);
	MPI_Win_fence(MPI_MODE_NOPRECEDE, win);
	MPI_Get(buf, PIECE, MPI_UINT32_T, next, (MPI_Aint)rank * PIECE, PIECE,
		MPI_UINT32_T, win);
	MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
	for (ok = 1, i = 0; i < PIECE; i++)
		ok = ok && buf[i] == word(seed + rank, i);
	check(ok, "get", seed);
	free(buf);
}

/* Everybody adds to a word of rank 0, and wants to be the first at another. */
static void accumulate(uint32_t *base, MPI_Win win)
{
	uint32_t one = (uint32_t)rank + 1, old, zero = 0, took;
	int i;

	MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);
	base[0] = base[1] = 0;
	MPI_Win_unlock(rank, win);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock_all(0, win);
	for (i = 0; i < 50; i++) {
		MPI_Fetch_and_op(&one, &old, MPI_UINT32_T, 0, 0, MPI_SUM, win);
		MPI_Win_flush(0, win);
	}
	MPI_Compare_and_swap(&one, &zero, &old, MPI_UINT32_T, 0, 1, win);
	MPI_Win_flush(0, win);
	MPI_Win_unlock_all(win);
	took = old == 0;
	MPI_Allreduce(MPI_IN_PLACE, &took, 1, MPI_UINT32_T, MPI_SUM,
		      MPI_COMM_WORLD);
	check(took == 1, "compare-and-swap: how many won", took);
	MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, win);
	if (rank == 0)
		check(base[0] == 50U * (uint32_t)(ranks * (ranks + 1) / 2),
		      "fetch-and-add", base[0]);
	MPI_Win_unlock(rank, win);
	MPI_Barrier(MPI_COMM_WORLD);
}

static void onesided(void)
{
	uint32_t *base = room(sizeof(*base) * PIECE * ranks), seed;
	MPI_Win win;

	MPI_Win_create(base, (MPI_Aint)sizeof(*base) * PIECE * ranks,
		       sizeof(*base), MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	for (seed = 1; seed < 6; seed++)
		put_and_get(base, win, seed * 100);
	accumulate(base, win);
	MPI_Win_free(&win);
	free(base);
}

int main(int argc, char **argv)
{
	const char *test = argc > 1 ? argv[1] : "";
	int sum = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (ranks < 2) {
		fprintf(stderr, "FAIL: %d rank: nobody to talk to\n", ranks);
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	if (!strcmp(test, "ring")) {
		ring();
	} else if (!strcmp(test, "alltoall")) {
		alltoall();
	} else if (!strcmp(test, "onesided")) {
		onesided();
	} else {
		fprintf(stderr, "FAIL: usage: mpi ring|alltoall|onesided\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	MPI_Allreduce(&wrong, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	if (rank == 0 && !sum)
		printf("%s: %d ranks, all as it should be\n", test, ranks);
	MPI_Finalize();
	return sum ? 1 : 0;
}
