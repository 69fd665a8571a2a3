/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints softodp:*. Plain integers only, so that mem/ can include it
 * without knowing verbs and xport/ without knowing pages.
 */
/* Tracing headers have a layout of their own. */
/* clang-format off */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM softodp

#if !defined(SODP_OBS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SODP_OBS_TRACE_H

#include <linux/tracepoint.h>

#include "mem/mem.h"

TRACE_DEFINE_ENUM(SODP_MEM_OK);
TRACE_DEFINE_ENUM(SODP_MEM_FAULT);
TRACE_DEFINE_ENUM(SODP_MEM_BOUNDS);
TRACE_DEFINE_ENUM(SODP_MEM_ACCESS);
TRACE_DEFINE_ENUM(SODP_MEM_GONE);

#define sodp_show_result(result)                                               \
	__print_symbolic(result, { SODP_MEM_OK, "ok" },                        \
			 { SODP_MEM_FAULT, "fault" },                          \
			 { SODP_MEM_BOUNDS, "bounds" },                        \
			 { SODP_MEM_ACCESS, "access" },                        \
			 { SODP_MEM_GONE, "gone" })

TRACE_EVENT(region_register,
	TP_PROTO(u32 key, u64 start, u64 length, u64 iova, u32 rights,
		 bool on_demand),
	TP_ARGS(key, start, length, iova, rights, on_demand),
	TP_STRUCT__entry(
		__field(u32, key)
		__field(u64, start)
		__field(u64, length)
		__field(u64, iova)
		__field(u32, rights)
		__field(bool, on_demand)
	),
	TP_fast_assign(
		__entry->key = key;
		__entry->start = start;
		__entry->length = length;
		__entry->iova = iova;
		__entry->rights = rights;
		__entry->on_demand = on_demand;
	),
	TP_printk("key=%#x start=%#llx length=%#llx iova=%#llx rights=%#x %s",
		  __entry->key, __entry->start, __entry->length, __entry->iova,
		  __entry->rights,
		  __entry->on_demand ? "on-demand" : "pinned")
);

TRACE_EVENT(region_deregister,
	TP_PROTO(u32 key),
	TP_ARGS(key),
	TP_STRUCT__entry(
		__field(u32, key)
	),
	TP_fast_assign(
		__entry->key = key;
	),
	TP_printk("key=%#x", __entry->key)
);

TRACE_EVENT(fault_begin,
	TP_PROTO(u32 key, u64 iova, u64 length, bool write),
	TP_ARGS(key, iova, length, write),
	TP_STRUCT__entry(
		__field(u32, key)
		__field(u64, iova)
		__field(u64, length)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->key = key;
		__entry->iova = iova;
		__entry->length = length;
		__entry->write = write;
	),
	TP_printk("key=%#x iova=%#llx length=%#llx %s", __entry->key,
		  __entry->iova, __entry->length,
		  __entry->write ? "write" : "read")
);

TRACE_EVENT(fault_end,
	TP_PROTO(u32 key, u64 iova, int result),
	TP_ARGS(key, iova, result),
	TP_STRUCT__entry(
		__field(u32, key)
		__field(u64, iova)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->key = key;
		__entry->iova = iova;
		__entry->result = result;
	),
	TP_printk("key=%#x iova=%#llx result=%s", __entry->key, __entry->iova,
		  sodp_show_result(__entry->result))
);

DECLARE_EVENT_CLASS(sodp_fence,
	TP_PROTO(u64 start, u64 end, u64 seq),
	TP_ARGS(start, end, seq),
	TP_STRUCT__entry(
		__field(u64, start)
		__field(u64, end)
		__field(u64, seq)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->end = end;
		__entry->seq = seq;
	),
	TP_printk("start=%#llx end=%#llx seq=%llu", __entry->start,
		  __entry->end, __entry->seq)
);

/* @seq: the fence's sequence after the start or end was recorded */
DEFINE_EVENT(sodp_fence, fence_start,
	TP_PROTO(u64 start, u64 end, u64 seq),
	TP_ARGS(start, end, seq)
);

DEFINE_EVENT(sodp_fence, fence_end,
	TP_PROTO(u64 start, u64 end, u64 seq),
	TP_ARGS(start, end, seq)
);

/* A side of a queue pair begins to wait for a fault. */
TRACE_EVENT(park,
	TP_PROTO(u32 qpn, bool responder, u32 key, u64 iova, u64 length,
		 bool write),
	TP_ARGS(qpn, responder, key, iova, length, write),
	TP_STRUCT__entry(
		__field(u32, qpn)
		__field(bool, responder)
		__field(u32, key)
		__field(u64, iova)
		__field(u64, length)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->qpn = qpn;
		__entry->responder = responder;
		__entry->key = key;
		__entry->iova = iova;
		__entry->length = length;
		__entry->write = write;
	),
	TP_printk("qpn=%u %s key=%#x iova=%#llx length=%#llx %s", __entry->qpn,
		  __entry->responder ? "responder" : "requester", __entry->key,
		  __entry->iova, __entry->length,
		  __entry->write ? "write" : "read")
);

TRACE_EVENT(resume,
	TP_PROTO(u32 qpn, bool responder, int result),
	TP_ARGS(qpn, responder, result),
	TP_STRUCT__entry(
		__field(u32, qpn)
		__field(bool, responder)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->qpn = qpn;
		__entry->responder = responder;
		__entry->result = result;
	),
	TP_printk("qpn=%u %s result=%s", __entry->qpn,
		  __entry->responder ? "responder" : "requester",
		  sodp_show_result(__entry->result))
);

/* @syndrome: as in the AETH, so RNR NAKs are seen as well */
TRACE_EVENT(nak_sent,
	TP_PROTO(u32 qpn, u32 psn, u8 syndrome),
	TP_ARGS(qpn, psn, syndrome),
	TP_STRUCT__entry(
		__field(u32, qpn)
		__field(u32, psn)
		__field(u8, syndrome)
	),
	TP_fast_assign(
		__entry->qpn = qpn;
		__entry->psn = psn;
		__entry->syndrome = syndrome;
	),
	TP_printk("qpn=%u psn=%u syndrome=%#x", __entry->qpn, __entry->psn,
		  __entry->syndrome)
);

#endif

/* found through the include path of Kbuild */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH obs
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
