// SPDX-License-Identifier: MIT
/* HTTP/2 header blocks. The input: a byte of choices (see `enum choice`), then fields, each ended by
 * RS, name and value parted by US. Checked:
 * - what is accepted keeps the promises of a head that HTTP/1 brought;
 * - written as HTTP/1 it is one message, which our HTTP/1 reader takes for the same: no smuggling;
 * - written as HTTP/2 and read again it is the same;
 * - what passes tight limits passes wide ones;
 * - nghttp2's own checks find nothing wrong with it. */
#include "h1_check.h"
#include "h2_engine.h"

#include "http/h1_write.h"
#include "http/h2_head.h"
#include "http/h2_write.h"
#include "http/status.h"
#include "http/uri.h"

enum choice { CHOICE_KIND = 3, CHOICE_END = 4, CHOICE_HEAD = 8, CHOICE_EXTENDED = 16 };
enum { RECORD_END = 0x1e, UNIT_END = 0x1f };

static const uint8_t key[H2_KEY_BYTES] = "0123456789abcde";

static void block_read(struct h2_head *block, enum h2_head_kind kind, struct text input,
                       const struct head_limits *limits, struct arena *arena)
{
    struct text record;
    uint64_t    bytes = 0;

    h2_head_begin(block, kind, limits, arena);
    while (text_split(&input, RECORD_END, &record)) {
        size_t      unit = text_find(record, UNIT_END);
        char       *exact = h1_exact_copy(record);
        struct text copy = text_of(exact, record.len);

        h2_head_add(block, text_part(copy, 0, unit), text_from_offset(copy, unit + 1));
        bytes +=
            text_part(copy, 0, unit).len + text_from_offset(copy, unit + 1).len + H2_FIELD_OVERHEAD;
        mem_free(exact);
    }
    must(block->bytes == bytes);
}

static void list_read(struct h2_head *block, enum h2_head_kind kind, const struct h2_list *list,
                      struct arena *arena)
{
    h2_head_begin(block, kind, &h1_wide_limits, arena);
    for (size_t i = 0; i < list->count; i++) {
        const nghttp2_nv *item = &list->items[i];
        h2_head_add(block, text_of((const char *)item->name, item->namelen),
                    text_of((const char *)item->value, item->valuelen));
    }
}

/* ---- requests ---- */

enum { ENGINE_BYTES_MOST = 8 * 1024 };   /* nghttp2 sends no longer head */

/* The fields as they came. */
static void check_engine_agrees(struct text input, bool is_end, struct arena *arena)
{
    nghttp2_nv *items = ARENA_ARRAY(arena, nghttp2_nv, input.len + 1);
    size_t      count = 0;
    struct text record;

    if (input.len > ENGINE_BYTES_MOST)
        return;
    while (text_split(&input, RECORD_END, &record)) {
        size_t unit = text_find(record, UNIT_END);
        items[count++] = (nghttp2_nv){
            .name = (uint8_t *)record.ptr,
            .namelen = unit,
            .value = (uint8_t *)text_from_offset(record, unit + 1).ptr,
            .valuelen = text_from_offset(record, unit + 1).len,
            .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME,
        };
    }
    must(h2_engine_accepts(items, count, is_end));
}

static void check_request(const struct head *head)
{
    struct text host;
    int         port;

    must(field_name_is_valid(head->method_name) && head->method != METHOD_CONNECT);
    must(uri_target_is_valid(head->target) && text_is_equal(head->target, head->path));
    must(head->path.ptr[0] == '/' ||
         (head->method == METHOD_OPTIONS && text_is_equal(head->path, TEXT("*"))));
    must(head->version == 20 && head->may_persist && !head->is_absolute);
    must(head->body != BODY_UNTIL_CLOSE && head->length <= INT64_MAX);
    must(uri_host_parse(head->authority, &host, &port) == 0 && port == head->port);
    must(text_is_equal(fields_value(&head->fields, FIELD_HOST), head->authority));
    must(fields_find_next(&head->fields, fields_find(&head->fields, FIELD_HOST)) == NULL);
    must(fields_find(&head->fields, FIELD_TRANSFER_ENCODING) == NULL);
    h1_check_fields(&head->fields);
}

static void check_same_facts(const struct head *a, const struct head *b)
{
    must(text_is_equal(a->method_name, b->method_name) && a->method == b->method);
    must(text_is_equal(a->target, b->target) && text_is_equal(a->path, b->path));
    must(text_is_equal(a->authority, b->authority) && text_is_equal(a->host, b->host));
    must(a->port == b->port && a->may_persist == b->may_persist);
    must(a->body == b->body && a->length == b->length && a->has_length == b->has_length);
    must(a->expects_continue == b->expects_continue);
    must(text_is_equal(a->upgrade, b->upgrade) && a->has_odd_fields == b->has_odd_fields);
}

/* Without fields that a list spells otherwise: a head with a place that is gone, the case of TE. */
static struct fields comparable(const struct fields *fields, struct arena *arena)
{
    struct fields all;

    fields_init(&all, arena, fields->count + 1);
    FIELDS_EACH(fields, field)
        if (field->id != FIELD_TE && field->id != FIELD_HOST)
            *fields_push(&all) = *field;
    return all;
}

static void check_same_fields(const struct fields *a, const struct fields *b, struct arena *arena)
{
    struct fields all_a = comparable(a, arena), all_b = comparable(b, arena);

    h1_check_same_fields(&all_a, &all_b);
}

static void check_request_as_http1(const struct head *head, struct arena *arena)
{
    struct writer writer = writer_arena(arena, 256);
    struct head   again;

    h1_write_request(&writer, head,
                     head->upgrade.len > 0 ? H1_CONNECTION_UPGRADE : H1_CONNECTION_NONE);
    h1_check_one_head(writer_done(&writer));
    must(h1_parse_request(writer_done(&writer), &h1_wide_limits, arena, &again) == FAULT_NONE);
    check_same_facts(head, &again);
    check_same_fields(&head->fields, &again.fields, arena);
}

static void check_request_as_http2(const struct head *head, struct arena *arena)
{
    bool           is_end = head->body != BODY_CHUNKED && head->length == 0;
    struct h2_list list;
    struct h2_head again;

    must(h2_write_request(head, TEXT("https"), true, arena, &list) == 0);
    must(list.is_extended == (head->upgrade.len > 0));
    list_read(&again, H2_HEAD_REQUEST, &list, arena);
    must(h2_head_end_request(&again, is_end && !list.is_extended, key) == FAULT_NONE);
    check_same_facts(head, again.head);
    if (!list.is_extended)
        check_same_fields(&head->fields, &again.head->fields, arena);
}

static void try_request(struct text input, unsigned choice, struct arena *arena)
{
    struct h2_head wide, tight;
    bool           is_end = (choice & CHOICE_END) != 0;

    block_read(&wide, H2_HEAD_REQUEST, input, &h1_wide_limits, arena);
    block_read(&tight, H2_HEAD_REQUEST, input, &h1_tight_limits, arena);
    int fault = h2_head_end_request(&wide, is_end, key);
    must(h2_head_end_request(&tight, is_end, key) != FAULT_NONE || fault == FAULT_NONE);
    must(fault == H2_MALFORMED || fault_row(fault)->blame != BLAME_US);
    if (fault != FAULT_NONE)
        return;
    check_request(wide.head);
    check_engine_agrees(input, is_end, arena);
    check_request_as_http1(wide.head, arena);
    check_request_as_http2(wide.head, arena);
}

/* ---- responses ---- */

static void check_response_as_http1(const struct head *head, const struct head *asked,
                                    struct arena *arena)
{
    struct writer writer = writer_arena(arena, 256);
    struct head   again;

    h1_write_response(&writer, head,
                      head->status == 101 ? H1_CONNECTION_UPGRADE : H1_CONNECTION_NONE,
                      head->has_length && head->body == BODY_NONE);
    h1_check_one_head(writer_done(&writer));
    must(h1_parse_response(writer_done(&writer), &h1_wide_limits, asked->method, arena, &again) ==
         FAULT_NONE);
    must(again.status == head->status && again.body == head->body);
    must(head->body != BODY_SIZED || again.length == head->length);
    must(text_is_equal(again.upgrade, head->upgrade));
    h1_check_same_fields(&head->fields, &again.fields);
}

static void check_response_as_http2(const struct head *head, const struct head *asked,
                                    struct arena *arena)
{
    struct h2_list list;
    struct h2_head again;

    h2_write_response(head, head->has_length && head->body == BODY_NONE, arena, &list);
    list_read(&again, H2_HEAD_RESPONSE, &list, arena);
    must(h2_head_end_response(
             &again, head->body != BODY_CHUNKED && head->length == 0 && head->status >= 200, asked,
             head->status == 101) == FAULT_NONE);
    must(again.head->status == head->status);
    must(head->status == 101 || again.head->length == head->length);
}

static void try_response(struct text input, unsigned choice, struct arena *arena)
{
    bool           is_extended = (choice & CHOICE_EXTENDED) != 0;
    struct head    asked;
    struct h2_head block;

    head_init(&asked, arena, 0);
    asked.method = (choice & CHOICE_HEAD) != 0 && !is_extended ? METHOD_HEAD : METHOD_GET;
    fields_add(&asked.fields, TEXT("Sec-WebSocket-Key"), TEXT("x"));
    block_read(&block, H2_HEAD_RESPONSE, input, &h1_wide_limits, arena);
    if (h2_head_end_response(&block, (choice & CHOICE_END) != 0, &asked, is_extended) != FAULT_NONE)
        return;
    must(block.head->status >= 100 && block.head->status <= 999);
    must(block.head->status != 101 || is_extended);
    h1_check_fields(&block.head->fields);
    check_response_as_http1(block.head, &asked, arena);
    check_response_as_http2(block.head, &asked, arena);
}

/* ---- trailers ---- */

static void try_trailers(struct text input, struct arena *arena)
{
    struct writer  writer = writer_arena(arena, 256);
    struct fields  as_http1;
    struct h2_list list;
    struct h2_head block, again;

    block_read(&block, H2_HEAD_TRAILERS, input, &h1_wide_limits, arena);
    if (h2_head_end_trailers(&block, true) != FAULT_NONE)
        return;
    struct fields trailers = comparable(&block.head->fields, arena);
    h1_check_fields(&trailers);

    h1_write_last_chunk(&writer, &trailers);
    struct text written = text_from_offset(writer_done(&writer), sizeof("0\r\n") - 1);
    must(h1_parse_trailers(written, &h1_wide_limits, arena, &as_http1) == FAULT_NONE);
    check_same_fields(&trailers, &as_http1, arena);

    h2_write_trailers(&trailers, arena, &list);
    list_read(&again, H2_HEAD_TRAILERS, &list, arena);
    must(h2_head_end_trailers(&again, true) == FAULT_NONE);
    check_same_fields(&trailers, &again.head->fields, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena *arena = arena_new();
    unsigned      choice = len > 0 ? bytes[0] : 0;
    struct text   input = text_from_offset(text_of((const char *)bytes, len), 1);

    switch (choice & CHOICE_KIND) {
    case H2_HEAD_RESPONSE:
        try_response(input, choice, arena);
        break;
    case H2_HEAD_TRAILERS:
        try_trailers(input, arena);
        break;
    default:
        try_request(input, choice, arena);
        break;
    }
    arena_free(&arena);
    pools_drain();
    return 0;
}
