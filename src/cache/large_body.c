// SPDX-License-Identifier: MIT
#include "cache/large_body.h"

#include <stdatomic.h>

#include "base/mem.h"

struct large_body {
    atomic_uint refs;
};

struct large_body *large_body_ref(struct large_body *body)
{
    atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    return body;
}

void large_body_unref(struct large_body *body)
{
    if (atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) == 1)
        mem_free(body);
}
