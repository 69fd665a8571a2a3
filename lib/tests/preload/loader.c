// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* loader PLUGIN: a program without libibverbs, whose plugin nobody else sees. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "fake.h"

static int query(struct ibv_context *context,
		 const struct ibv_query_device_ex_input *input,
		 struct ibv_device_attr_ex *attr, size_t size)
{
	(void)context, (void)input, (void)size;
	attr->odp_caps.general_caps = IBV_ODP_SUPPORT;
	attr->odp_caps.per_transport_caps.rc_odp_caps = IBV_ODP_SUPPORT_SEND |
							IBV_ODP_SUPPORT_RECV;
	return 0;
}

int main(int argc, char **argv)
{
	struct fake fake = {
		.verbs.sz = sizeof(fake.verbs),
		.verbs.query_device_ex = query,
		.verbs.context.abi_compat = __VERBS_ABI_IS_EXTENDED,
		.verbs.context.device = &fake.device,
		.device.name = "fake0",
		.pd.context = &fake.verbs.context,
	};
	void *plugin = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) :
				   NULL;
	struct ibv_mr *(*reg)(struct ibv_pd * pd, void *addr);

	if (!plugin) {
		puts(dlerror());
		return 1;
	}
	reg = (struct ibv_mr * (*)(struct ibv_pd *, void *))
		dlsym(plugin, "plugin_reg");
	if (dlsym(RTLD_DEFAULT, "fake")) {
		puts("the plugin's libraries are seen by all: no test");
		return 1;
	}
	return !reg || !reg(&fake.pd, &fake) || strcmp(fake.attempts, "o");
}
