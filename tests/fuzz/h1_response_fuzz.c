// SPDX-License-Identifier: MIT
/* Response heads, as the answer to GET, HEAD and CONNECT. Checked: pieces and whole agree, one
 * framing, clean fields (folds included), and written again and read again it is the same answer. */
#include "h1_check.h"

#include "http/h1_write.h"
#include "http/status.h"

static void check_response(const struct head *head, enum method asked)
{
    must(head->status >= 100 && head->status <= 999);
    must(head->version == 10 || head->version == 11);
    must(field_value_is_valid(head->reason));
    must(head->length <= INT64_MAX);
    must(head->body != BODY_UNTIL_CLOSE || !head->may_persist);
    must(head->body != BODY_CHUNKED || head->version == 11);
    if (asked == METHOD_HEAD || !status_has_content(head->status))
        must(head->body == BODY_NONE);
    h1_check_fields(&head->fields);
}

static void check_round_trip(const struct head *head, enum method asked, struct arena *arena)
{
    enum h1_connection connection =
        head->upgrade.len > 0 ? H1_CONNECTION_UPGRADE
        : head->may_persist   ? H1_CONNECTION_NONE
                              : H1_CONNECTION_CLOSE;
    struct writer writer = writer_arena(arena, 256);
    struct head   again;

    h1_write_response(&writer, head, connection,
                      fields_find(&head->fields, FIELD_CONTENT_LENGTH) != NULL);
    h1_check_one_head(writer_done(&writer));
    must(h1_parse_response(writer_done(&writer), &h1_wide_limits, asked, arena, &again) ==
         FAULT_NONE);
    must(again.status == head->status && text_is_equal(again.reason, head->reason));
    must(again.body == head->body && again.length == head->length);
    must(text_is_equal(again.upgrade, head->upgrade));
    must(again.may_persist == head->may_persist || connection == H1_CONNECTION_UPGRADE);
    must(again.has_odd_fields == head->has_odd_fields);
    h1_check_same_fields(&head->fields, &again.fields);
}

static void check_as_answer(struct text bytes, enum method asked)
{
    struct arena *arena = arena_new();
    struct head   head;
    int           fault = h1_parse_response(bytes, &h1_wide_limits, asked, arena, &head);

    must(fault == FAULT_NONE || fault == FAULT_BAD_RESPONSE);
    if (fault == FAULT_NONE) {
        check_response(&head, asked);
        check_round_trip(&head, asked, arena);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const enum method asked[] = { METHOD_GET, METHOD_HEAD, METHOD_CONNECT };
    struct text              input = text_of((const char *)bytes, len);
    size_t                   size = 0;

    (void)h1_check_scan(input, &h1_tight_limits, &size);
    if (!h1_check_scan(input, &h1_wide_limits, &size))
        return 0;
    char *exact = h1_exact_copy(text_part(input, 0, size));
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
        check_as_answer(text_of(exact, size), asked[i]);
    mem_free(exact);
    pools_drain();
    return 0;
}
