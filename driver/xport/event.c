// SPDX-License-Identifier: GPL-2.0
/* Asynchronous events of a queue pair. */
#include "xport/xport.h"

void sodp_qp_event(struct sodp_qp *qp, enum ib_event_type type)
{
	struct ib_event event = {
		.device = &qp->dev->ibdev,
		.element.qp = &qp->ibqp,
		.event = type,
	};

	if (qp->ibqp.event_handler)
		qp->ibqp.event_handler(&event, qp->ibqp.qp_context);
}
