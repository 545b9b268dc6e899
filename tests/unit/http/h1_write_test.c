// SPDX-License-Identifier: MIT
/* h1_write: exact bytes, framing from facts only, and no way to split a message. */
#include "base/unit.h"

#include "http/h1_parse.h"
#include "http/h1_write.h"

static struct head request(struct arena *arena)
{
    struct head head;

    head_init(&head, arena, 0);
    head.method_name = TEXT("POST");
    head.target = TEXT("/a?b");
    head.version = 11;
    fields_add(&head.fields, TEXT("host"), TEXT("h"));
    fields_add(&head.fields, TEXT("X-A"), TEXT(""));
    fields_add(&head.fields, TEXT("X-Gone"), TEXT("x"));
    head.fields.items[2].is_gone = true;
    return head;
}

static struct text written_request(struct arena *arena, const struct head *head,
                                   enum h1_connection connection)
{
    struct writer writer = writer_arena(arena, 16);

    h1_write_request(&writer, head, connection);
    return writer_done(&writer);
}

static struct text written_response(struct arena *arena, const struct head *head,
                                    enum h1_connection connection, bool keeps_length)
{
    struct writer writer = writer_arena(arena, 16);

    h1_write_response(&writer, head, connection, keeps_length);
    return writer_done(&writer);
}

static void requests_are_written_in_order(void **state)
{
    struct head head = request(*state);

    CHECK_TEXT(written_request(*state, &head, H1_CONNECTION_NONE),
               "POST /a?b HTTP/1.1\r\nhost: h\r\nX-A: \r\n\r\n");
    head.version = 10;
    head.body = BODY_SIZED;
    CHECK_TEXT(written_request(*state, &head, H1_CONNECTION_CLOSE),
               "POST /a?b HTTP/1.0\r\nhost: h\r\nX-A: \r\nConnection: close\r\n"
               "Content-Length: 0\r\n\r\n");
    head.version = 11;
    head.body = BODY_CHUNKED;
    CHECK_TEXT(written_request(*state, &head, H1_CONNECTION_KEEP_ALIVE),
               "POST /a?b HTTP/1.1\r\nhost: h\r\nX-A: \r\nConnection: keep-alive\r\n"
               "Transfer-Encoding: chunked\r\n\r\n");
}

static void framing_fields_are_never_copied(void **state)
{
    struct head head = request(*state);

    fields_add(&head.fields, TEXT("Content-length"), TEXT("99"));
    fields_add(&head.fields, TEXT("transfer-encoding"), TEXT("chunked"));
    fields_add(&head.fields, TEXT("CONNECTION"), TEXT("x"));
    fields_add(&head.fields, TEXT("Upgrade"), TEXT("old"));
    head.upgrade = TEXT("websocket");
    CHECK_TEXT(written_request(*state, &head, H1_CONNECTION_NONE),
               "POST /a?b HTTP/1.1\r\nhost: h\r\nX-A: \r\nUpgrade: old\r\n\r\n");
    CHECK_TEXT(written_request(*state, &head, H1_CONNECTION_UPGRADE),
               "POST /a?b HTTP/1.1\r\nhost: h\r\nX-A: \r\nConnection: upgrade\r\n"
               "Upgrade: websocket\r\n\r\n");
}

static void nothing_splits_a_message(void **state)
{
    struct head head = request(*state);

    head.target = TEXT("/a b\r\nX: y#\x7f\xe4");
    fields_add(&head.fields, TEXT("X-Evil"), TEXT("a\r\nContent-Length: 5\r\n\r\n\x01" "b"));
    CHECK_TEXT(written_request(*state, &head, H1_CONNECTION_NONE),
               "POST /a%20b%0D%0AX:%20y%23%7F\xe4 HTTP/1.1\r\nhost: h\r\nX-A: \r\n"
               "X-Evil: a  Content-Length: 5     b\r\n\r\n");
    head.status = 200;
    head.reason = TEXT("OK\r\nX: y");
    head.fields.count = 0;
    CHECK_TEXT(written_response(*state, &head, H1_CONNECTION_NONE, false), "HTTP/1.1 200 OK\r\n\r\n");
}

/* Lines that are as they were read are copied as they stand; whatever was changed is written anew. */
static void lines_as_read_are_kept(void **state)
{
    const struct head_limits limits = { 1000, 1000, 1000, 20 };
    struct head            head;

    assert_int_equal(h1_parse_response(TEXT("HTTP/1.1 200 OK\r\nA: 1\r\nB:  2 \r\nC:3\r\nD:\t4\r\n"
                                            "E: 5\r\nServer: x\r\nF: 6\r\nG: \r\nH: 8\r\n\r\n"),
                                       &limits, METHOD_GET, *state, &head), FAULT_NONE);
    fields_set(&head.fields, FIELD_SERVER, TEXT("y"));
    fields_remove_name(&head.fields, TEXT("F"));
    head.fields.items[8].value.len = 0;
    CHECK_TEXT(written_response(*state, &head, H1_CONNECTION_NONE, false),
               "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nServer: y\r\nG: \r\n"
               "H: \r\n\r\n");
}

static void responses_say_their_framing(void **state)
{
    struct head head;

    head_init(&head, *state, 0);
    head.status = 404;
    head.version = 10;
    fields_add(&head.fields, TEXT("Server"), TEXT("s"));
    CHECK_TEXT(written_response(*state, &head, H1_CONNECTION_NONE, false),
               "HTTP/1.1 404 Not Found\r\nServer: s\r\n\r\n");
    head.length = 7;
    CHECK_TEXT(written_response(*state, &head, H1_CONNECTION_CLOSE, true),
               "HTTP/1.1 404 Not Found\r\nServer: s\r\nContent-Length: 7\r\nConnection: close\r\n\r\n");
    head.body = BODY_SIZED;
    head.length = UINT64_MAX;
    head.reason = TEXT("");
    CHECK_TEXT(written_response(*state, &head, H1_CONNECTION_NONE, false),
               "HTTP/1.1 404 \r\nServer: s\r\nContent-Length: 18446744073709551615\r\n\r\n");
    head.body = BODY_CHUNKED;
    CHECK_TEXT(written_response(*state, &head, H1_CONNECTION_KEEP_ALIVE, true),
               "HTTP/1.1 404 \r\nServer: s\r\nTransfer-Encoding: chunked\r\n"
               "Connection: keep-alive\r\n\r\n");
    head.body = BODY_UNTIL_CLOSE;
    CHECK_TEXT(written_response(*state, &head, H1_CONNECTION_NONE, true),
               "HTTP/1.1 404 \r\nServer: s\r\n\r\n");
    head.status = 101;
    head.body = BODY_NONE;
    head.upgrade = TEXT("websocket");
    CHECK_TEXT(written_response(*state, &head, H1_CONNECTION_UPGRADE, false),
               "HTTP/1.1 101 \r\nServer: s\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

static void chunk_sizes_are_hexadecimal(void **state)
{
    char bytes[18];

    (void)state;
    assert_int_equal(h1_write_chunk_size(bytes, 0), 3);
    assert_memory_equal(bytes, "0\r\n", 3);
    assert_int_equal(h1_write_chunk_size(bytes, 0x1f0), 5);
    assert_memory_equal(bytes, "1f0\r\n", 5);
    assert_int_equal(h1_write_chunk_size(bytes, UINT64_MAX), 18);
    assert_memory_equal(bytes, "ffffffffffffffff\r\n", 18);
}

static void trailers_follow_the_last_chunk(void **state)
{
    struct writer writer = writer_arena(*state, 16);
    struct fields fields;

    h1_write_last_chunk(&writer, NULL);
    CHECK_TEXT(writer_done(&writer), "0\r\n\r\n");
    fields_init(&fields, *state, 2);
    fields_add(&fields, TEXT("X-Sum"), TEXT("1"));
    fields_add(&fields, TEXT("Content-Length"), TEXT("1"));
    writer = writer_arena(*state, 16);
    h1_write_last_chunk(&writer, &fields);
    CHECK_TEXT(writer_done(&writer), "0\r\nX-Sum: 1\r\n\r\n");
}

static void a_full_buffer_is_remembered(void **state)
{
    char          buffer[20];
    struct writer writer = writer_fixed(buffer, sizeof(buffer));
    struct head   head = request(*state);

    h1_write_request(&writer, &head, H1_CONNECTION_NONE);
    assert_true(writer.is_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(requests_are_written_in_order),
        WITH_ARENA(framing_fields_are_never_copied),
        WITH_ARENA(nothing_splits_a_message),
        WITH_ARENA(lines_as_read_are_kept),
        WITH_ARENA(responses_say_their_framing),
        cmocka_unit_test(chunk_sizes_are_hexadecimal),
        WITH_ARENA(trailers_follow_the_last_chunk),
        WITH_ARENA(a_full_buffer_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
