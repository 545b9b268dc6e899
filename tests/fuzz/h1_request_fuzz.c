// SPDX-License-Identifier: MIT
/* Request heads. The input is bytes from a client's connection. Checked:
 * - looking for the end in pieces finds what one look finds;
 * - the parser accepts nothing that the scanner did not find complete;
 * - what is accepted keeps its promises (tokens, clean values, one framing, a valid host);
 * - written again and read again it is the same request. */
#include "h1_check.h"

#include "http/h1_write.h"
#include "http/uri.h"

static void check_request(const struct head *head)
{
    struct text host;
    int         port;

    must(field_name_is_valid(head->method_name));
    must(uri_target_is_valid(head->target));
    must(head->version == 10 || head->version == 11);
    must(head->body == BODY_NONE || head->body == BODY_SIZED || head->body == BODY_CHUNKED);
    must(head->body != BODY_CHUNKED || head->version == 11);
    must(head->length <= INT64_MAX);
    must(head->version == 10 || head->authority.len > 0);
    if (head->authority.len > 0)
        must(uri_host_parse(head->authority, &host, &port) == 0);
    if (head->method == METHOD_CONNECT)
        must(head->path.len == 0);
    else
        must(head->path.ptr[0] == '/' || text_is_equal(head->path, TEXT("*")));
    h1_check_fields(&head->fields);
}

static void check_same_request(const struct head *a, const struct head *b)
{
    must(text_is_equal(a->method_name, b->method_name) && a->method == b->method);
    must(text_is_equal(a->target, b->target) && text_is_equal(a->path, b->path));
    must(text_is_equal(a->authority, b->authority) && a->is_absolute == b->is_absolute);
    must(a->version == b->version && a->may_persist == b->may_persist);
    must(a->body == b->body && a->length == b->length);
    must(a->expects_continue == b->expects_continue);
    must(text_is_equal(a->upgrade, b->upgrade));
    must(a->has_odd_fields == b->has_odd_fields);
    h1_check_same_fields(&a->fields, &b->fields);
}

static void check_round_trip(const struct head *head, struct arena *arena)
{
    enum h1_connection connection = H1_CONNECTION_NONE;
    struct writer      writer = writer_arena(arena, 256);
    struct head        again;

    /* One Connection option can be written: a message that needs two is left out. */
    if (head->upgrade.len > 0 && !head->may_persist)
        return;
    if (head->upgrade.len > 0)
        connection = H1_CONNECTION_UPGRADE;
    else if (head->version == 11 && !head->may_persist)
        connection = H1_CONNECTION_CLOSE;
    else if (head->version == 10 && head->may_persist)
        connection = H1_CONNECTION_KEEP_ALIVE;
    h1_write_request(&writer, head, connection);

    struct text written = writer_done(&writer);
    h1_check_one_head(written);
    must(h1_parse_request(written, &h1_wide_limits, arena, &again) == FAULT_NONE);
    check_same_request(head, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct text   input = text_of((const char *)bytes, len);
    size_t        size = 0;
    bool          is_complete = h1_check_scan(input, &h1_wide_limits, &size);
    struct arena *arena = arena_new();
    struct head   head;

    (void)h1_check_scan(input, &h1_tight_limits, &(size_t){ 0 });
    if (is_complete) {
        char *exact = h1_exact_copy(text_part(input, 0, size));
        if (h1_parse_request(text_of(exact, size), &h1_wide_limits, arena, &head) == FAULT_NONE) {
            check_request(&head);
            check_round_trip(&head, arena);
        }
        mem_free(exact);
    }
    if (h1_parse_request(input, &h1_wide_limits, arena, &head) == FAULT_NONE)
        must(is_complete && size == len);
    arena_free(&arena);
    pools_drain();
    return 0;
}
