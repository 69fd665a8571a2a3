/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A queue shared with user space: struct rxe_queue_buf of the public user ABI
 * (<rdma/rdma_user_rxe.h>), driven by the stock provider.
 *
 * Trust: user space may write anything anywhere in the mapping at any time.
 * So the kernel keeps size, mask and its own index in private memory, masks
 * what it reads of the other side's index, and copies a slot out once before
 * it validates it. Slots hold at most mask (slots - 1) entries.
 *
 * Ordering: the provider publishes with a store-release of its index, after
 * filling the slot; sodp_ring_avail()'s load-acquire is the partner. The kernel
 * publishes with store-release; the provider's load-acquire is the partner.
 */
#ifndef SODP_VERBS_RING_H
#define SODP_VERBS_RING_H

#include <rdma/ib_verbs.h>
#include <rdma/rdma_user_rxe.h>

/*
 * A kernel user's queue is the same, shared with nobody; its other side is at
 * the end of this file.
 */
enum sodp_ring_role {
	SODP_RING_CONSUMER, /* send and receive queues: user space produces */
	SODP_RING_PRODUCER, /* completion queue: the kernel produces */
};

struct sodp_ring {
	struct rxe_queue_buf *buf; /* vmalloc_user, mapped by user space */
	size_t buf_size;
	enum sodp_ring_role role;
	u32 log2_elem;
	u32 mask; /* slots - 1 == capacity */
	u32 index; /* private copy of the kernel's own index */
	struct rdma_user_mmap_entry *mmap_entry; /* NULL: a kernel user's */
};

/*
 * At least @entries entries of @elem bytes. With @uctx the buffer becomes
 * mappable once and @mi is filled for the response to user space.
 */
int sodp_ring_create(struct sodp_ring *ring, enum sodp_ring_role role,
		     u32 entries, size_t elem, struct ib_ucontext *uctx,
		     struct mminfo *mi);
/*
 * Mappings that user space still has stay valid (page references). The owner
 * must have seen to it that nobody uses the ring any more.
 */
void sodp_ring_destroy(struct sodp_ring *ring);
/* Forget what is queued (RESET); user indices persist, so take theirs over. */
void sodp_ring_reset(struct sodp_ring *ring);

/* mmap() of a ring: @entry is referenced, its length was checked. */
int sodp_ring_map(struct rdma_user_mmap_entry *entry,
		  struct vm_area_struct *vma);
void sodp_ring_mmap_free(struct rdma_user_mmap_entry *entry);

static inline u32 sodp_ring_capacity(const struct sodp_ring *ring)
{
	return ring->mask;
}

static inline void *sodp_ring_slot(const struct sodp_ring *ring, u32 index)
{
	return ring->buf->data +
	       ((size_t)(index & ring->mask) << ring->log2_elem);
}

/*
 * Consumer: entries that user space has published from @from (a private,
 * masked index between ring->index and the producer's) on. Caller owns the ring.
 */
u32 sodp_ring_avail(const struct sodp_ring *ring, u32 from);
/* Consumer: give @n slots back to user space. */
void sodp_ring_release(struct sodp_ring *ring, u32 n);
/* Producer: copy one entry in. False: full. Caller holds the queue's lock. */
bool sodp_ring_put(struct sodp_ring *ring, const void *elem, size_t size);
/* Producer: entries that the consumer has not taken yet, as it claims. */
u32 sodp_ring_queued(const struct sodp_ring *ring);
/*
 * For a ring that takes another one's place, and is not shared yet: @n slots
 * from the other one, as they are; then both indices.
 */
void sodp_ring_copy(struct sodp_ring *to, u32 to_index,
		    const struct sodp_ring *from, u32 from_index, u32 n);
void sodp_ring_adopt(struct sodp_ring *ring, u32 consumer, u32 producer);

/*
 * What the provider does in a program, for kernel users; the caller serialises.
 * Consumer: the slot of the next entry to post, NULL when it is full; then
 * publish it. Producer: the oldest entry, NULL when it is empty; then take it.
 */
void *sodp_ring_post_slot(const struct sodp_ring *ring);
void sodp_ring_post(struct sodp_ring *ring);
const void *sodp_ring_oldest(const struct sodp_ring *ring);
void sodp_ring_take(struct sodp_ring *ring);

/*
 * What the provider does in a program, for kernel users; the caller serialises.
 * Consumer: the slot of the next entry to post, NULL when it is full; then
 * publish it. Producer: the oldest entry, NULL when it is empty; then take it.
 */
void *sodp_ring_post_slot(const struct sodp_ring *ring);
void sodp_ring_post(struct sodp_ring *ring);
const void *sodp_ring_oldest(const struct sodp_ring *ring);
void sodp_ring_take(struct sodp_ring *ring);

#endif
