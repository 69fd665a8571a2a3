// SPDX-License-Identifier: GPL-2.0
/*
 * Scatter/gather lists over regions. A key is looked up at every use, but for
 * the one that the side has used last in this pass.
 */
#include "xport.h"

/* sodp_mem_probe() looks at no more at once. */
#define PROBE_MAX (1U << 20)

/* A run of bytes within one element. */
struct piece {
	u64 iova;
	u64 length; /* what is wanted of it */
	u64 rest; /* up to the end of the element */
	u32 lkey;
};

struct cursor {
	const struct sodp_sge *sge;
	u32 left; /* elements */
	u64 skip; /* bytes before the next piece */
};

/* The next piece of at most @want bytes; false: the list has ended. */
static bool next_piece(struct cursor *cur, u64 want, struct piece *piece)
{
	for (; cur->left; cur->left--, cur->sge++) {
		if (cur->skip < cur->sge->length) {
			piece->iova = cur->sge->addr + cur->skip;
			piece->rest = cur->sge->length - cur->skip;
			piece->length = min(want, piece->rest);
			piece->lkey = cur->sge->lkey;
			cur->skip += piece->length;
			return true;
		}
		cur->skip -= cur->sge->length;
	}
	return false;
}

/* An element may not wrap around the end of the address space. */
static bool wraps(const struct piece *piece)
{
	return piece->iova + (piece->rest - 1) < piece->iova;
}

static u32 need(bool write)
{
	return write ? SODP_MEM_LOCAL_WRITE : SODP_MEM_LOCAL_READ;
}

static void fill_miss(struct sodp_miss *miss, struct sodp_region *region,
		      u64 iova, u64 length, bool write)
{
	sodp_region_hold(region);
	miss->region = region;
	miss->iova = iova;
	miss->length = length;
	miss->write = write;
}

static enum sodp_mem_result copy_piece(struct sodp_side *side, u32 domain,
				       const struct piece *piece, void *buf,
				       bool write, size_t *done)
{
	enum sodp_mem_result result;

	if (wraps(piece))
		return SODP_MEM_BOUNDS;
	result = sodp_region_use(side->qp->dev->mem, piece->lkey, domain,
				 need(write), piece->iova, piece->length,
				 &side->region);
	if (result != SODP_MEM_OK)
		return result;
	return write ? sodp_mem_copy_in(side->region, piece->iova, buf,
					piece->length, done) :
		       sodp_mem_copy_out(side->region, piece->iova, buf,
					 piece->length, done);
}

enum sodp_mem_result sodp_sgl_copy(struct sodp_side *side, u32 domain,
				   const struct sodp_sge *sge, u32 num_sge,
				   u64 offset, void *buf, u32 len,
				   enum sodp_dir dir, u32 *done,
				   struct sodp_miss *miss)
{
	struct cursor cur = { .sge = sge, .left = num_sge, .skip = offset };
	bool write = dir == SODP_SCATTER;
	enum sodp_mem_result result;
	struct piece piece;

	*done = 0;
	while (*done < len) {
		size_t n = 0;

		if (!next_piece(&cur, len - *done, &piece))
			return SODP_MEM_BOUNDS;
		result = copy_piece(side, domain, &piece, buf + *done, write,
				    &n);
		*done += n;
		if (result == SODP_MEM_FAULT)
			fill_miss(miss, side->region, piece.iova + n,
				  piece.rest - n, write);
		if (result != SODP_MEM_OK)
			return result;
	}
	return SODP_MEM_OK;
}

static enum sodp_mem_result probe_piece(struct sodp_side *side,
					const struct piece *piece, bool write,
					struct sodp_miss *miss)
{
	struct sodp_qp *qp = side->qp;
	enum sodp_mem_result result;
	u64 first = piece->iova;
	u64 off = 0;

	if (wraps(piece))
		return SODP_MEM_BOUNDS;
	result = sodp_region_use(qp->dev->mem, piece->lkey, qp->domain,
				 need(write), piece->iova, piece->length,
				 &side->region);
	if (result != SODP_MEM_OK)
		return result;
	while (off < piece->length && result == SODP_MEM_OK) {
		u64 n = min_t(u64, piece->length - off, PROBE_MAX);

		result = sodp_mem_probe(side->region, piece->iova + off, n,
					write, &first);
		off += n;
	}
	if (result == SODP_MEM_FAULT)
		fill_miss(miss, side->region, first,
			  piece->length - (first - piece->iova), write);
	return result;
}

enum sodp_mem_result sodp_sgl_probe(struct sodp_side *side,
				    const struct sodp_sge *sge, u32 num_sge,
				    u64 offset, u64 len, bool write,
				    struct sodp_miss *miss)
{
	struct cursor cur = { .sge = sge, .left = num_sge, .skip = offset };
	enum sodp_mem_result result;
	struct piece piece;

	while (len) {
		if (!next_piece(&cur, len, &piece))
			return SODP_MEM_BOUNDS;
		result = probe_piece(side, &piece, write, miss);
		if (result != SODP_MEM_OK)
			return result;
		len -= piece.length;
	}
	return SODP_MEM_OK;
}
