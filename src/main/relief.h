// SPDX-License-Identifier: MIT
/* While memory is short: what rests is given back, again and again, until it suffices; and the error
 * log says when that began and when it was over. When it is not, what the allocator kept of a crowd that
 * has gone is given back. Control thread. */
#ifndef MAIN_RELIEF_H
#define MAIN_RELIEF_H

#include "main/runners.h"

/* From now on the control loop hears of shortages. `runners` may start later; both stay until the
 * exit. -errno of eventfd() or epoll. */
int relief_begin(struct loop *control, struct runners *runners) WARN_UNUSED;

#endif
