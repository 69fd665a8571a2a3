// SPDX-License-Identifier: GPL-2.0
/*
 * UDP sockets on the RoCEv2 port, one for IPv4 and one for IPv6, for each
 * network namespace that has a device.
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
	struct mutex lock; /* protects the sockets and refs */
	struct socket *sock;
	struct socket *sock6; /* NULL where there is no IPv6 */
	unsigned int refs; /* devices that use it */
	wait_queue_head_t unused; /* for refs to be 0 */
};

static unsigned int sodp_net_id;

/* RoCEv2 needs no UDP checksum: the ICRC covers more. */
static int open_sock(struct net *net, struct udp_port_cfg *port,
		     struct socket **sockp)
{
	struct udp_tunnel_sock_cfg tunnel = {
		.encap_type = 1, /* any but 0: there is an encap_rcv */
		.encap_rcv = sodp_rx,
	};
	struct socket *sock;
	int err;

	err = udp_sock_create(net, port, &sock);
	if (err == -EADDRINUSE)
		pr_warn("UDP port %u is in use in network namespace %u. rdma_rxe takes it for all of its namespace: unload it, or make the device in another namespace (ip netns add).\n",
			SODP_UDP_PORT, net->ns.inum);
	if (err)
		return err;
	setup_udp_tunnel_sock(net, sodp_tunnel_sock(sock), &tunnel);
	*sockp = sock;
	return 0;
}

static void close_sock(struct socket **sockp)
{
	if (*sockp)
		udp_tunnel_sock_release(sodp_tunnel_sock(*sockp));
	*sockp = NULL;
}

static int open_both(struct net *net, struct sodp_net *sn)
{
	struct udp_port_cfg ipv4 = {
		.family = AF_INET,
		.local_ip.s_addr = htonl(INADDR_ANY),
		.local_udp_port = htons(SODP_UDP_PORT),
	};
	struct udp_port_cfg ipv6 = {
		.family = AF_INET6,
		.local_udp_port = htons(SODP_UDP_PORT),
		.ipv6_v6only = true,
	};
	int err;

	err = open_sock(net, &ipv4, &sn->sock);
	if (err)
		return err;
	err = open_sock(net, &ipv6, &sn->sock6);
	if (err == -EAFNOSUPPORT || err == -EPFNOSUPPORT)
		return 0; /* switched off: IPv4 alone */
	if (err)
		close_sock(&sn->sock);
	return err;
}

int sodp_sock_get(struct net *net)
{
	struct sodp_net *sn = net_generic(net, sodp_net_id);
	int err = 0;

	mutex_lock(&sn->lock);
	if (!sn->refs)
		err = open_both(net, sn);
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
		close_sock(&sn->sock6);
		close_sock(&sn->sock);
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

	sodp_spare_init();
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
	sodp_spare_drop();
}
