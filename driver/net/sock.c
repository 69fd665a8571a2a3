// SPDX-License-Identifier: GPL-2.0
/*
 * One UDP socket on the RoCEv2 port for each network namespace that has a
 * device. IPv4 today; an IPv6 socket would be a second member of sodp_net.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mutex.h>
#include <linux/wait.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/udp_tunnel.h>

#include "net/internal.h"
#include "net/net.h"

struct sodp_net {
	struct mutex lock; /* protects sock and refs */
	struct socket *sock;
	unsigned int refs; /* devices that use it */
	wait_queue_head_t unused; /* for refs to be 0 */
};

static unsigned int sodp_net_id;

static int open_sock(struct net *net, struct socket **sockp)
{
	struct udp_port_cfg port = {
		.family = AF_INET,
		.local_ip.s_addr = htonl(INADDR_ANY),
		.local_udp_port = htons(SODP_UDP_PORT),
	};
	struct udp_tunnel_sock_cfg tunnel = {
		.encap_type = 1, /* any but 0: there is an encap_rcv */
		.encap_rcv = sodp_rx,
	};
	struct socket *sock;
	int err;

	err = udp_sock_create4(net, &port, &sock);
	if (err == -EADDRINUSE)
		pr_warn("UDP port %u is in use in network namespace %u. rdma_rxe takes it for all of its namespace: unload it, or make the device in another namespace (ip netns add).\n",
			SODP_UDP_PORT, net->ns.inum);
	if (err)
		return err;
	setup_udp_tunnel_sock(net, sodp_tunnel_sock(sock), &tunnel);
	*sockp = sock;
	return 0;
}

int sodp_sock_get(struct net *net)
{
	struct sodp_net *sn = net_generic(net, sodp_net_id);
	int err = 0;

	mutex_lock(&sn->lock);
	if (!sn->refs)
		err = open_sock(net, &sn->sock);
	if (!err)
		WRITE_ONCE(sn->refs, sn->refs + 1);
	mutex_unlock(&sn->lock);
	return err;
}

void sodp_sock_put(struct net *net)
{
	struct sodp_net *sn = net_generic(net, sodp_net_id);

	mutex_lock(&sn->lock);
	if (sn->refs == 1) {
		udp_tunnel_sock_release(sodp_tunnel_sock(sn->sock));
		sn->sock = NULL;
	}
	WRITE_ONCE(sn->refs, sn->refs - 1); /* net_exit() reads it unlocked */
	wake_up(&sn->unused);
	mutex_unlock(&sn->lock);
}

static int __net_init net_init(struct net *net)
{
	struct sodp_net *sn = net_generic(net, sodp_net_id);

	mutex_init(&sn->lock);
	init_waitqueue_head(&sn->unused);
	return 0;
}

/*
 * The namespace's netdevices are gone by now and have had their devices
 * unregistered, in a work item that may still run: without the wait it would
 * be left with a pointer to a namespace that is freed.
 */
static void __net_exit net_exit(struct net *net)
{
	struct sodp_net *sn = net_generic(net, sodp_net_id);

	wait_event(sn->unused, !READ_ONCE(sn->refs));
	/* until the last sodp_sock_put() is out of @sn as well */
	mutex_lock(&sn->lock);
	mutex_unlock(&sn->lock);
}

static struct pernet_operations sodp_net_ops = {
	.init = net_init,
	.exit = net_exit,
	.id = &sodp_net_id,
	.size = sizeof(struct sodp_net),
};

int sodp_net_init(void)
{
	int err;

	err = register_pernet_subsys(&sodp_net_ops);
	if (err)
		return err;
	err = sodp_netdev_init();
	if (err)
		unregister_pernet_subsys(&sodp_net_ops);
	return err;
}

void sodp_net_exit(void)
{
	sodp_netdev_exit();
	unregister_pernet_subsys(&sodp_net_ops);
	/* A softirq may still be in sodp_rx() of a socket just released. */
	synchronize_net();
}
