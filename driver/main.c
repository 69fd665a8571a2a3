// SPDX-License-Identifier: GPL-2.0
/* Module load and exit: everything in order, and back. */
#include <linux/module.h>
#include <rdma/rdma_netlink.h>

#include "dev.h"
#include "mem/mem.h"
#include "net/net.h"
#include "verbs/verbs.h"
#include "wire/opcode.h"
#include "xport/xport.h"

static int newlink(const char *name, struct net_device *ndev)
{
	return sodp_dev_create(name, ndev);
}

static struct rdma_link_ops link_ops = {
	.type = "softodp",
	.newlink = newlink,
};

static int __init sodp_init(void)
{
	int err;

	err = sodp_opcode_check_table();
	if (err)
		return err;
	err = sodp_mem_init();
	if (err)
		return err;
	err = sodp_cq_init();
	if (err)
		goto undo_mem;
	err = sodp_sched_init();
	if (err)
		goto undo_cq;
	err = sodp_qp_table_init();
	if (err)
		goto undo_sched;
	err = sodp_net_init();
	if (err)
		goto undo_qp_table;
	rdma_link_register(&link_ops);
	return 0;

undo_qp_table:
	sodp_qp_table_exit();
undo_sched:
	sodp_sched_exit();
undo_cq:
	sodp_cq_exit();
undo_mem:
	sodp_mem_exit();
	return err;
}

static void __exit sodp_exit(void)
{
	rdma_link_unregister(&link_ops);
	sodp_dev_remove_all();
	sodp_net_exit();
	sodp_qp_table_exit();
	sodp_ah_exit();
	sodp_sched_exit();
	sodp_cq_exit();
	sodp_mem_exit();
}

module_init(sodp_init);
module_exit(sodp_exit);

MODULE_DESCRIPTION("Software RoCEv2 device with on-demand paging");
MODULE_AUTHOR("The softodp authors");
MODULE_LICENSE("GPL");
MODULE_ALIAS_RDMA_LINK("softodp");
