// SPDX-License-Identifier: MIT
/* The answer to a gRPC health check. Checked: of all bodies that call a server healthy, each is framed to
 * the byte; and a question reads as no answer that is good. */
#include <stdint.h>

#include "base/must.h"
#include "balance/grpc_health.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena *arena = arena_new();
    struct text   body = text_of((const char *)bytes, len);
    struct head   head = { .status = 200 };
    const char   *why;

    fields_init(&head.fields, arena, 1);
    fields_add(&head.fields, TEXT("grpc-status"), TEXT("0"));
    if (grpc_health_is_passed(0, &head, NULL, body, &why))
        must(len >= 7 && bytes[0] == 0 &&
             ((size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | bytes[4]) ==
                 len - 5);
    must(!grpc_health_is_passed(0, &head, NULL, grpc_health_request(arena, body), &why));
    arena_free(&arena);
    return 0;
}
