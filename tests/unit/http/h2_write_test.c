// SPDX-License-Identifier: MIT
/* h2_write: what goes out, and what does not. */
#include "h2_check.h"

#include <errno.h>

static struct head *request_new(struct arena *arena)
{
    struct head *head = ARENA_NEW(arena, struct head);

    head_init(head, arena, 0);
    head->method = METHOD_POST;
    head->method_name = TEXT("POST");
    head->target = TEXT("/a?b");
    head->version = 20;
    fields_add_id(&head->fields, FIELD_HOST, TEXT("a.example:81"));
    return head;
}

static struct text request_text(const struct head *head, bool may_extend, struct arena *arena)
{
    struct h2_list list;

    assert_int_equal(h2_write_request(head, TEXT("https"), may_extend, arena, &list), 0);
    return h2_list_text(&list, arena);
}

static void a_request(void **state)
{
    struct head *head = request_new(*state);

    head->body = BODY_SIZED;
    head->length = 12345;
    fields_add(&head->fields, TEXT("User-Agent"), TEXT("u"));
    fields_add(&head->fields, TEXT("X-Mixed-Case"), TEXT("V"));
    fields_add(&head->fields, TEXT("x-lower"), TEXT(""));
    CHECK_TEXT(request_text(head, true, *state),
               ":method POST\n:scheme https\n:authority a.example:81\n:path /a?b\n"
               "user-agent u\nx-mixed-case V\nx-lower \ncontent-length 12345\n");
}

static void fields_of_the_connection_and_of_framing_stay_here(void **state)
{
    struct head *head = request_new(*state);

    head->body = BODY_CHUNKED;
    fields_add(&head->fields, TEXT("Connection"), TEXT("close"));
    fields_add(&head->fields, TEXT("Keep-Alive"), TEXT("timeout=5"));
    fields_add(&head->fields, TEXT("Proxy-Connection"), TEXT("close"));
    fields_add(&head->fields, TEXT("Upgrade"), TEXT("h2c"));
    fields_add(&head->fields, TEXT("Transfer-Encoding"), TEXT("chunked"));
    fields_add(&head->fields, TEXT("Content-Length"), TEXT("7"));
    fields_add(&head->fields, TEXT("TE"), TEXT("gzip"));
    fields_add(&head->fields, TEXT("TE"), TEXT("gzip, Trailers"));
    fields_add(&head->fields, TEXT("Trailer"), TEXT("x-sum"));
    CHECK_TEXT(request_text(head, true, *state),
               ":method POST\n:scheme https\n:authority a.example:81\n:path /a?b\n"
               "te trailers\ntrailer x-sum\n");
}

static void without_host_there_is_no_authority(void **state)
{
    struct head *head = request_new(*state);

    fields_remove(&head->fields, FIELD_HOST);
    head->target = TEXT("");
    CHECK_TEXT(request_text(head, true, *state), ":method POST\n:scheme https\n:path /\n");
}

static void nothing_goes_out_that_could_end_a_line(void **state)
{
    struct head *head = request_new(*state);

    head->target = TEXT("/a b\r\nX: y\x7f#");
    fields_add(&head->fields, TEXT("x-a"), TEXT(" \tone\r\ntwo\0 "));
    fields_add(&head->fields, TEXT("x b"), TEXT("1"));
    fields_add(&head->fields, TEXT(":path"), TEXT("/2"));
    fields_add(&head->fields, TEXT(""), TEXT("1"));
    CHECK_TEXT(request_text(head, true, *state),
               ":method POST\n:scheme https\n:authority a.example:81\n"
               ":path /a%20b%0D%0AX:%20y%7F%23\nx-a one  two\n");
}

static void what_is_no_request_is_refused(void **state)
{
    static const char *const methods[] = { "", "G T", "GET\r\n", ":x" };
    static const char *const hosts[] = { "", "a b", "u@a", "a/b", "a\r\nb" };
    struct h2_list           list;

    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct head *head = request_new(*state);
        head->method_name = text_from(methods[i]);
        CHECK_CASE(h2_write_request(head, TEXT("http"), false, *state, &list) == -EINVAL,
                   methods[i]);
    }
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct head *head = request_new(*state);
        fields_set(&head->fields, FIELD_HOST, text_from(hosts[i]));
        CHECK_CASE(h2_write_request(head, TEXT("http"), false, *state, &list) == -EINVAL, hosts[i]);
    }
}

static void a_websocket_becomes_an_extended_connect(void **state)
{
    struct head   *head = request_new(*state);
    struct h2_list list;

    head->method = METHOD_GET;
    head->method_name = TEXT("GET");
    head->upgrade = TEXT("WebSocket");
    fields_add(&head->fields, TEXT("sec-websocket-key"), TEXT("k"));
    fields_add(&head->fields, TEXT("Sec-WebSocket-Version"), TEXT("13"));
    fields_add(&head->fields, TEXT("Upgrade"), TEXT("websocket"));
    assert_int_equal(h2_write_request(head, TEXT("https"), true, *state, &list), 0);
    assert_true(list.is_extended);
    CHECK_TEXT(h2_list_text(&list, *state),
               ":method CONNECT\n:protocol websocket\n:scheme https\n:authority a.example:81\n"
               ":path /a?b\nsec-websocket-version 13\n");

    assert_int_equal(h2_write_request(head, TEXT("https"), false, *state, &list), 0);
    assert_false(list.is_extended);
    CHECK_TEXT(h2_list_text(&list, *state),
               ":method GET\n:scheme https\n:authority a.example:81\n:path /a?b\n"
               "sec-websocket-key k\nsec-websocket-version 13\n");
}

static void secrets_are_not_indexed_and_nothing_is_copied(void **state)
{
    struct head   *head = request_new(*state);
    struct h2_list list;
    const uint8_t  no_copy = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;

    fields_add(&head->fields, TEXT("Authorization"), TEXT("Basic x"));
    fields_add(&head->fields, TEXT("Proxy-Authorization"), TEXT("Basic x"));
    assert_int_equal(h2_write_request(head, TEXT("http"), false, *state, &list), 0);
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(list.items[i].flags,
                         i < 4 ? no_copy : no_copy | NGHTTP2_NV_FLAG_NO_INDEX);
}

/* ---- responses ---- */

static struct text response_text(unsigned status, enum body_kind body, bool keeps_length,
                                 struct arena *arena)
{
    struct h2_list list;
    struct head    head;

    head_init(&head, arena, 0);
    head.status = status;
    head.body = body;
    head.length = 5;
    fields_add(&head.fields, TEXT("Server"), TEXT("frontdesk"));
    fields_add(&head.fields, TEXT("Connection"), TEXT("keep-alive"));
    fields_add(&head.fields, TEXT("Sec-WebSocket-Accept"), TEXT("x"));
    h2_write_response(&head, keeps_length, arena, &list);
    return h2_list_text(&list, arena);
}

static void responses(void **state)
{
    CHECK_TEXT(response_text(200, BODY_SIZED, false, *state),
               ":status 200\nserver frontdesk\nsec-websocket-accept x\ncontent-length 5\n");
    CHECK_TEXT(response_text(200, BODY_CHUNKED, false, *state),
               ":status 200\nserver frontdesk\nsec-websocket-accept x\n");
    CHECK_TEXT(response_text(304, BODY_NONE, true, *state),
               ":status 304\nserver frontdesk\nsec-websocket-accept x\ncontent-length 5\n");
    CHECK_TEXT(response_text(103, BODY_NONE, false, *state),
               ":status 103\nserver frontdesk\nsec-websocket-accept x\n");
    CHECK_TEXT(response_text(101, BODY_NONE, false, *state), ":status 200\nserver frontdesk\n");
}

static void trailers(void **state)
{
    struct h2_list list;
    struct fields  fields;

    fields_init(&fields, *state, 4);
    fields_add(&fields, TEXT("Grpc-Status"), TEXT("0"));
    fields_add(&fields, TEXT("Connection"), TEXT("x"));
    fields_add(&fields, TEXT("Content-Length"), TEXT("1"));
    fields_add(&fields, TEXT("X-Sum"), TEXT("1\n2"));
    h2_write_trailers(&fields, *state, &list);
    CHECK_TEXT(h2_list_text(&list, *state), "grpc-status 0\nx-sum 1 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_request),
        WITH_ARENA(fields_of_the_connection_and_of_framing_stay_here),
        WITH_ARENA(without_host_there_is_no_authority),
        WITH_ARENA(nothing_goes_out_that_could_end_a_line),
        WITH_ARENA(what_is_no_request_is_refused),
        WITH_ARENA(a_websocket_becomes_an_extended_connect),
        WITH_ARENA(secrets_are_not_indexed_and_nothing_is_copied),
        WITH_ARENA(responses),
        WITH_ARENA(trailers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
