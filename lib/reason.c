// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <softodp/softodp.h>

const char *softodp_reason_str(enum softodp_reason reason)
{
	switch (reason) {
	case SOFTODP_REASON_FIRST_CHOICE:
		return "as asked for";
	case SOFTODP_REASON_NO_ODP:
		return "the device has no on-demand paging (see ODP in ibv_devinfo -v)";
	case SOFTODP_REASON_TRANSPORT:
		return "the device has no on-demand paging for that transport (see ODP in ibv_devinfo -v)";
	case SOFTODP_REASON_OPERATION:
		return "the device has no on-demand paging for an operation that the access flags allow; ask for fewer";
	case SOFTODP_REASON_ODP_REFUSED:
		return "the device has on-demand paging but refused this range or these access flags";
	case SOFTODP_REASON_MEMLOCK:
		return "not so much memory can be pinned: raise RLIMIT_MEMLOCK (ulimit -l), or register on demand";
	case SOFTODP_REASON_PIN_REFUSED:
		return "the range cannot be pinned: is all of it mapped, with these rights, and not file-system DAX?";
	case SOFTODP_REASON_QUERY:
		return "the device did not tell what it can (ibv_query_device_ex failed)";
	case SOFTODP_REASON_ARGUMENT:
		return "unknown flags, or flags that exclude each other";
	case SOFTODP_REASON_NO_IMPLICIT:
		return "the device has no region of the whole address space; register the ranges that are used";
	case SOFTODP_REASON_NO_FEATURE:
		return "the device lacks something that is needed (softodp_query_device tells what it has)";
	}
	return "unknown reason";
}
