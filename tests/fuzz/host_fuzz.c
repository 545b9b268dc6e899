// SPDX-License-Identifier: MIT
/* Hosts with ports. Checked: nothing that is accepted could mean something else to a reader of URLs,
 * and a request accepts a host in its field and in its target alike. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/pool.h"
#include "http/h1_parse.h"
#include "http/uri.h"

static const struct head_limits limits = {
    .line_bytes = 1 << 20, .field_bytes = 1 << 20, .head_bytes = 1 << 21, .fields = 10,
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_host(struct text host)
{
    bool is_literal = host.ptr[0] == '[';

    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        must(c > 0x20 && c < 0x7f && strchr("/?#@\\\"<>^`{|}", c) == NULL);
        must(is_literal || strchr(":[]", c) == NULL);
    }
    must(!is_literal || host.ptr[host.len - 1] == ']');
}

static int request_fault(struct arena *arena, struct text target_host, struct text field)
{
    struct head head;
    struct text bytes = arena_format(arena, "GET http://%.*s/ HTTP/1.1\r\nHost: %.*s\r\n\r\n",
                                     TEXT_ARGS(target_host), TEXT_ARGS(field));

    return h1_parse_request(bytes, &limits, arena, &head);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena *arena = arena_new();
    char         *exact = mem_try(len + 1);
    struct text   input = text_of(exact, len), host, again;
    int           port = 0, port_again = 0;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    bool is_host = uri_host_parse(input, &host, &port) == 0;
    if (is_host) {
        must(host.len > 0 && port >= -1 && port <= 65535);
        check_host(host);
        must(uri_host_parse(host, &again, &port_again) == 0 && port_again == -1);
        must(text_is_equal(host, again));
    }
    /* What can be a field's value: white space around it is not, and CRLF begins another field. */
    if (text_trim(input).len == len && field_value_is_valid(input)) {
        must((request_fault(arena, TEXT("a"), input) == FAULT_NONE) == is_host);
        if (is_host)
            must(request_fault(arena, input, TEXT("a")) == FAULT_NONE);
    }
    mem_free(exact);
    arena_free(&arena);
    pools_drain();
    return 0;
}
