// SPDX-License-Identifier: MIT
/* May this request come in? While memory is short, new ones are refused so that those on their way
 * can finish. The calling loop's. */
#ifndef PROXY_ADMISSION_H
#define PROXY_ADMISSION_H

#include <stdint.h>

/* An exchange begins; it ends with admission_leave(). `fault` is its head's. Returns the fault for
 * which the request is refused: this one, or FAULT_NO_BUFFERS. */
int  admission_enter(int fault);
void admission_leave(void);

/* How many were refused for want of memory, on all loops. */
uint64_t admission_refused(void);

#endif
