// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What the errors of verbs mean here. Sources: ibv_reg_mr(3), ibv_poll_cq(3),
 * docs/semantics.md. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sodp.h"

#define ERRNO(n) .name = #n, .number = n
#define WC(n)	 .name = "IBV_WC_" #n, .number = IBV_WC_##n, .completion = true

static const struct advice advices[] = {
	{ ERRNO(ENOMEM),
	  .means =
		  "Pinned: not so much memory may be locked. On demand: the kernel has no memory for its own bookkeeping.",
	  .why = { "RLIMIT_MEMLOCK is smaller than the region: register on demand (IBV_ACCESS_ON_DEMAND), or run the program under softodp-odp, or set odp_mode to always; or raise it (ulimit -l)",
		   "the control group is full: look at memory.max and memory.events",
		   "for a queue: it is larger than the device allows (ibv_devinfo -v has max_qp_wr and max_cqe)" } },
	{ ERRNO(EINVAL), .means = "Something was asked for that cannot be.",
	  .why = { "remote writing or atomics without IBV_ACCESS_LOCAL_WRITE: add it",
		   "addr NULL with length SIZE_MAX without IBV_ACCESS_ON_DEMAND: the whole address space cannot be pinned",
		   "IBV_ACCESS_HUGETLB with on demand for memory that is not hugetlb",
		   "an iova whose offset in its page is not that of the address",
		   "a range that wraps around the end of the address space" } },
	{ ERRNO(EOPNOTSUPP),
	  .means = "The device or its provider does not have this.",
	  .why = { "on demand on a device without it: ibv_devinfo -v shows what it has under odp_caps; stock rdma_rxe of kernel 6.1 and 6.12 has none",
		   "ibv_advise_mr or ibv_rereg_mr with the provider of rdma-core 44: softodp_prefetch(3) and softodp_rereg_mr(3) go to the kernel themselves",
		   "access flags that the driver does not know" } },
	{ ERRNO(EPERM), .means = "This is for somebody else.",
	  .why = { "rights or domain of a region were changed by a process that shares the descriptor: only that whose memory it is may",
		   "a prefetch for writing into a region that may not be written",
		   "sodp map without CAP_NET_ADMIN" } },
	{ ERRNO(EFAULT),
	  .means =
		  "There is no memory at that address, or not with that right.",
	  .why = { "pinned: part of the range is not mapped, or read-only and to be written: on demand it could be registered and mapped later",
		   "a prefetch beyond its region, or of pages that cannot be had" } },
	{ ERRNO(ENOENT),
	  .means = "The key names no region of this protection domain.",
	  .why = { "it was deregistered, or registered anew: rereg gives new keys",
		   "the region belongs to another protection domain" } },
	{ ERRNO(ENODEV),
	  .means = "There is no such device in this network namespace.",
	  .why = { "see: rdma link; make one: rdma link add sodp0 type softodp netdev eth0" } },
	{ ERRNO(EIO),
	  .means = "The device has been removed while the program had it open.",
	  .why = { "rdma link delete, or its netdev went: close it and open it anew" } },
	{ ERRNO(EBUSY), .means = "It is still in use.",
	  .why = { "a region with memory windows bound to it, a domain with regions, a completion queue with queue pairs: destroy those first" } },
	{ WC(LOC_LEN_ERR),
	  .means =
		  "A message was longer than what was posted for it, or longer than 2 GiB.",
	  .why = { "a receive buffer smaller than the peer's SEND: post larger ones" } },
	{ WC(LOC_QP_OP_ERR),
	  .means = "The queue pair cannot do what was posted.",
	  .why = { "an operation that this transport does not have (ibv_devinfo -v)",
		   "a work request with more SGEs than the queue pair was made for" } },
	{ WC(LOC_PROT_ERR),
	  .means = "The poster's own memory could not be read or written.",
	  .why = { "a wrong lkey, or an address outside its region",
		   "on demand: the address is not mapped any more, was truncated, or mprotect took the right away",
		   "on demand: the process that registered it has exited or called exec",
		   "on demand: userfaultfd with UFFD_USER_MODE_ONLY: it refuses faults from the kernel" } },
	{ WC(WR_FLUSH_ERR),
	  .means =
		  "The queue pair had failed already; this work request was never begun.",
	  .why = { "look at the first completion that is not a success and not this: it has the cause" } },
	{ WC(BAD_RESP_ERR),
	  .means = "The peer answered something that was not asked for.",
	  .why = { "a peer that does not keep to the protocol, or queue pairs that were connected crosswise" } },
	{ WC(LOC_ACCESS_ERR),
	  .means = "What a peer sent may not be written where it was to go.",
	  .why = { "a receive buffer in a region without IBV_ACCESS_LOCAL_WRITE" } },
	{ WC(REM_INV_REQ_ERR),
	  .means = "The peer refused the request as one that it does not take.",
	  .why = { "its queue pair does not allow it: qp_access_flags lacks remote write, read or atomic",
		   "an atomic at an address that is not a multiple of 8",
		   "more READs under way than its max_dest_rd_atomic",
		   "a SEND longer than the peer's receive buffer" } },
	{ WC(REM_ACCESS_ERR),
	  .means =
		  "The peer's memory could not be reached with that key, at that address, in that way.",
	  .why = { "a wrong rkey: deregistered, registered anew, or of another protection domain",
		   "the range is not inside the region, or the region does not allow this access",
		   "on demand: the owner has unmapped, truncated or protected it; it was told at once, nothing was lost",
		   "on demand: the owner has exited or called exec, even if another process has the queue pair still" } },
	{ WC(REM_OP_ERR),
	  .means = "The peer could not do it for a reason of its own.",
	  .why = { "its receive buffer could not be written: look at the completion there" } },
	{ WC(RETRY_EXC_ERR),
	  .means = "The peer did not answer, as often as it was asked.",
	  .why = { "it is not there: its program has ended, its queue pair is in error or was never brought to RTR",
		   "the way is closed: UDP port 4791, routing, MTU, link (ping; rdma link)",
		   "the time is too short for the way: timeout (4.096 us * 2^timeout) and retry_cnt of ibv_modify_qp. A page fault at a softodp peer is not a cause: it answers RNR" } },
	{ WC(RNR_RETRY_EXC_ERR),
	  .means = "The peer said 'not ready' as often as it may.",
	  .why = { "no receive was posted at the peer",
		   "on demand: a page of the peer takes long to come (a userfaultfd handler, a slow disk): rnr_retry = 7 waits for ever",
		   "min_rnr_timer of the peer is short: with fewer retries than 7, make it longer" } },
	{ WC(FATAL_ERR), .means = "The queue pair cannot go on.",
	  .why = { "see the asynchronous events (ibv_get_async_event)" } },
	{ WC(GENERAL_ERR), .means = "An error without a name of its own.",
	  .why = { "see the kernel's log" } },
};

#define N_ADVICES (sizeof(advices) / sizeof(advices[0]))

const struct advice *advice_at(size_t i)
{
	return i < N_ADVICES ? &advices[i] : NULL;
}

/* "transport retry counter exceeded", "Cannot allocate memory" */
static const char *spoken(const struct advice *a)
{
	return a->completion ? ibv_wc_status_str(a->number) :
			       strerror(a->number);
}

static bool is_name(const struct advice *a, const char *what)
{
	return !strcasecmp(a->name, what) ||
	       (a->completion &&
		!strcasecmp(a->name + strlen("IBV_WC_"), what)) ||
	       !strcasecmp(spoken(a), what);
}

/* Programs print both kinds of number: 10 is a status, -12 an errno. */
static bool is_number(const struct advice *a, const char *what)
{
	char *end;
	long value = strtol(what, &end, 0);

	if (end == what || *end)
		return false;
	return a->completion ? value == a->number : value == -a->number;
}

const struct advice *advice_find(const char *what)
{
	size_t i;

	if (!strcasecmp(what, "ENOTSUP"))
		what = "EOPNOTSUPP"; /* one number, two names */
	for (i = 0; i < N_ADVICES; i++)
		if (is_name(&advices[i], what) || is_number(&advices[i], what))
			return &advices[i];
	return NULL;
}
