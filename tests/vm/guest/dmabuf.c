// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * dmabuf DEVICE: the memory of a memfd as a DMA-BUF, by udmabuf. Registration
 * by the DMA-BUF is refused, with an error that says so; registration on demand
 * of the memfd's mapping reaches the buffer, for whoever has it mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include <softodp/softodp.h>

#include "verbs.h"

enum {
	PAGES = 16,
};

#define LEN ((size_t)PAGES * PAGE)

static struct rd_dev dev;
static int memfd, buffer;

static void make_buffer(void)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC,
					 .size = LEN };
	int udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	memfd = memfd_create("dmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (udmabuf < 0 || memfd < 0 || ftruncate(memfd, LEN) ||
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("udmabuf: %s", strerror(errno));
	create.memfd = memfd;
	buffer = ioctl(udmabuf, UDMABUF_CREATE, &create);
	if (buffer < 0)
		die("UDMABUF_CREATE: %s", strerror(errno));
	close(udmabuf);
}

static void test_refused(void)
{
	struct softodp_device_attr attr = { .size = sizeof(attr) };
	struct softodp_reg reg = {
		.size = sizeof(reg),
		.addr = &reg,
		.length = sizeof(reg),
		.access = IBV_ACCESS_LOCAL_WRITE,
		.need = SOFTODP_DMABUF,
	};
	struct ibv_mr *mr;
	int err;

	mr = softodp_reg_dmabuf_mr(dev.pd, 0, LEN, 0, buffer, RD_ALL);
	err = errno;
	tap_result(!mr && err == EOPNOTSUPP, "by the DMA-BUF: %s",
		   mr ? "registered" : strerror(err));
	tap_result(!softodp_query_device(dev.ctx, &attr) &&
			   !((attr.features | attr.unknown) & SOFTODP_DMABUF),
		   "the device says that it cannot: has %#x, unknown %#x",
		   attr.features, attr.unknown);
	mr = softodp_register(dev.pd, &reg);
	tap_result(!mr && reg.reason == SOFTODP_REASON_NO_FEATURE &&
			   reg.missing == SOFTODP_DMABUF,
		   "who needs it is told: %s", reg.text);
}

static void sync_for_cpu(uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags | DMA_BUF_SYNC_RW };

	if (ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync))
		die("DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
}

static uint8_t *map(int fd)
{
	uint8_t *at =
		mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return at;
}

static void test_mapping(void)
{
	uint8_t *mapping = map(memfd), *view = map(buffer), *mine;
	struct ibv_mr *mr, *my_mr;
	struct rd_qp peer, owner;
	int status;

	mine = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mine == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	rd_pair(&peer, &dev, &owner, &dev, NULL);
	mr = rd_reg(&dev, mapping, LEN, RD_ALL | IBV_ACCESS_ON_DEMAND);
	my_mr = rd_reg(&dev, mine, LEN, RD_ALL);

	fill(mine, LEN, 1);
	status = rd_write(&peer, (uintptr_t)mine, my_mr->lkey, LEN,
			  (uintptr_t)mapping, mr->rkey, 20000);
	sync_for_cpu(DMA_BUF_SYNC_START);
	tap_result(!status && first_difference(mine, view, LEN) < 0,
		   "a WRITE into the memfd's mapping is in the buffer: %s",
		   rd_status(status));
	fill(view, LEN, 2);
	sync_for_cpu(DMA_BUF_SYNC_END);
	status = rd_read(&peer, (uintptr_t)mine, my_mr->lkey, LEN,
			 (uintptr_t)mapping, mr->rkey, 20000);
	tap_result(!status && first_difference(mine, view, LEN) < 0,
		   "what is put into the buffer is READ there: %s",
		   rd_status(status));

	ibv_dereg_mr(mr);
	ibv_dereg_mr(my_mr);
	rd_qp_destroy(&peer);
	rd_qp_destroy(&owner);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: dmabuf DEVICE");
	rd_open(&dev, argv[1]);
	make_buffer();
	test_refused();
	test_mapping();
	rd_close(&dev);
	return tap_done();
}
