// SPDX-License-Identifier: GPL-2.0
/* Queues shared with user space: what may be trusted is in ring.h. */
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "verbs/ring.h"

enum {
	MAX_SLOTS = 1 << 20,
	MAX_ELEM = 1 << 16,
};

/* Owns the buffer of a mapped ring, for a racing mmap() may still use it. */
struct mapped {
	struct rdma_user_mmap_entry entry; /* first */
	struct rxe_queue_buf *buf;
};

static struct mapped *to_mapped(struct rdma_user_mmap_entry *entry)
{
	return container_of(entry, struct mapped, entry);
}

/* The last reference to the entry is gone: destroyed and no mmap() running. */
void sodp_ring_mmap_free(struct rdma_user_mmap_entry *entry)
{
	struct mapped *mapped = to_mapped(entry);

	vfree(mapped->buf);
	kfree(mapped);
}

int sodp_ring_map(struct rdma_user_mmap_entry *entry,
		  struct vm_area_struct *vma)
{
	return remap_vmalloc_range(vma, to_mapped(entry)->buf, 0);
}

static int make_mappable(struct sodp_ring *ring, struct ib_ucontext *uctx,
			 struct mminfo *mi)
{
	struct mapped *mapped;
	int err;

	mapped = kzalloc(sizeof(*mapped), GFP_KERNEL_ACCOUNT);
	if (!mapped)
		return -ENOMEM;
	mapped->buf = ring->buf;
	err = rdma_user_mmap_entry_insert(uctx, &mapped->entry, ring->buf_size);
	if (err) {
		kfree(mapped);
		return err;
	}
	ring->mmap_entry = &mapped->entry;
	mi->offset = rdma_user_mmap_get_offset(&mapped->entry);
	mi->size = ring->buf_size;
	mi->pad = 0;
	return 0;
}

int sodp_ring_create(struct sodp_ring *ring, enum sodp_ring_role role,
		     u32 entries, size_t elem, struct ib_ucontext *uctx,
		     struct mminfo *mi)
{
	u32 slots;
	int err;

	if (entries >= MAX_SLOTS || elem > MAX_ELEM)
		return -EINVAL;
	elem = roundup_pow_of_two(max_t(size_t, elem, SMP_CACHE_BYTES));
	/* One slot stays empty: full and empty differ by it. */
	slots = roundup_pow_of_two(entries + 1);

	*ring = (struct sodp_ring){
		.buf_size = sizeof(*ring->buf) + elem * slots,
		.role = role,
		.log2_elem = ilog2(elem),
		.mask = slots - 1,
	};
	ring->buf = vmalloc_user(ring->buf_size); /* zeroed */
	if (!ring->buf)
		return -ENOMEM;
	/* For the provider's eyes. We never read them back. */
	ring->buf->log2_elem_size = ring->log2_elem;
	ring->buf->index_mask = ring->mask;
	if (!uctx)
		return 0;
	err = make_mappable(ring, uctx, mi);
	if (err) {
		vfree(ring->buf);
		ring->buf = NULL;
	}
	return err;
}

void sodp_ring_destroy(struct sodp_ring *ring)
{
	if (ring->mmap_entry)
		rdma_user_mmap_entry_remove(ring->mmap_entry);
	else
		vfree(ring->buf);
	ring->mmap_entry = NULL;
	ring->buf = NULL;
}

/* The other side's index; user space may have put anything there. */
static u32 read_index(const struct sodp_ring *ring, const u32 *index)
{
	/* pairs with the provider's store-release, after it used the slot */
	return smp_load_acquire(index) & ring->mask;
}

static void publish(const struct sodp_ring *ring, u32 *index)
{
	/* pairs with the provider's load-acquire, before it uses the slot */
	smp_store_release(index, ring->index);
}

void sodp_ring_reset(struct sodp_ring *ring)
{
	if (ring->role == SODP_RING_CONSUMER) {
		ring->index = read_index(ring, &ring->buf->producer_index);
		publish(ring, &ring->buf->consumer_index);
	} else {
		ring->index = read_index(ring, &ring->buf->consumer_index);
		publish(ring, &ring->buf->producer_index);
	}
}

u32 sodp_ring_avail(const struct sodp_ring *ring, u32 from)
{
	u32 producer = read_index(ring, &ring->buf->producer_index);

	return (producer - from) & ring->mask;
}

void sodp_ring_release(struct sodp_ring *ring, u32 n)
{
	ring->index = (ring->index + n) & ring->mask;
	publish(ring, &ring->buf->consumer_index);
}

bool sodp_ring_put(struct sodp_ring *ring, const void *elem, size_t size)
{
	u32 next = (ring->index + 1) & ring->mask;

	if (WARN_ON_ONCE(size > 1UL << ring->log2_elem))
		return false;
	if (next == read_index(ring, &ring->buf->consumer_index))
		return false;
	memcpy(sodp_ring_slot(ring, ring->index), elem, size);
	ring->index = next;
	publish(ring, &ring->buf->producer_index);
	return true;
}

u32 sodp_ring_queued(const struct sodp_ring *ring)
{
	u32 consumer = read_index(ring, &ring->buf->consumer_index);

	return (ring->index - consumer) & ring->mask;
}

/* --- a kernel user's side --- */

void *sodp_ring_post_slot(const struct sodp_ring *ring)
{
	u32 index = ring->buf->producer_index; /* the caller's own */
	u32 next = (index + 1) & ring->mask;

	if (next == read_index(ring, &ring->buf->consumer_index))
		return NULL;
	return sodp_ring_slot(ring, index);
}

void sodp_ring_post(struct sodp_ring *ring)
{
	u32 next = (ring->buf->producer_index + 1) & ring->mask;

	/* pairs with the load-acquire of sodp_ring_avail() */
	smp_store_release(&ring->buf->producer_index, next);
}

const void *sodp_ring_oldest(const struct sodp_ring *ring)
{
	u32 index = ring->buf->consumer_index; /* the caller's own */

	if (index == read_index(ring, &ring->buf->producer_index))
		return NULL;
	return sodp_ring_slot(ring, index);
}

void sodp_ring_take(struct sodp_ring *ring)
{
	u32 next = (ring->buf->consumer_index + 1) & ring->mask;

	/* pairs with the load-acquire of sodp_ring_put() */
	smp_store_release(&ring->buf->consumer_index, next);
}
