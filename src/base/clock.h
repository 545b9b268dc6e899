// SPDX-License-Identifier: MIT
/* Clocks. Deadlines and durations use the monotonic clock; wall time is for people and HTTP dates
 * only. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);
int64_t clock_wall_ms(void);       /* since 1970, UTC */

/* Texts of the second that `wall_ms` lies in, cached per thread; valid until the thread's next call
 * with another second. */
struct text clock_http_date(int64_t wall_ms);    /* Tue, 24 Nov 2026 01:53:40 GMT (RFC 9110 5.6.7) */
struct text clock_log_date(int64_t wall_ms);     /* 24/Nov/2026:01:53:40 +0000, local time */
struct text clock_iso_date(int64_t wall_ms);     /* 2026-11-24T01:53:40+00:00, local time */
struct text clock_error_date(int64_t wall_ms);   /* 2026/11/24 01:53:40, local time */
struct text clock_syslog_date(int64_t wall_ms);  /* Nov  4 01:53:40, local time (RFC 3164) */

#endif
