// SPDX-License-Identifier: MIT
/* grpc.health.v1.Health/Check, as bytes: what `health_check type=grpc` asks, and what its answer means.
 * Pure functions, any thread. */
#ifndef BALANCE_GRPC_HEALTH_H
#define BALANCE_GRPC_HEALTH_H

#include "http/head.h"

#define GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"

/* HealthCheckRequest of this service (empty: the whole server), framed as gRPC has it; in the arena. */
struct text grpc_health_request(struct arena *arena, struct text service);

/* The answer is good: SERVING, or the call ended with `status` (0: no such status is good). Else
 * *reterr_why is what was looked at. `trailers` may be NULL: then the head says all. */
bool grpc_health_is_passed(unsigned status, const struct head *head, const struct fields *trailers,
                           struct text body, const char **reterr_why);

#endif
