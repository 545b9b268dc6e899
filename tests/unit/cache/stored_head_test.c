// SPDX-License-Identifier: MIT
/* stored_head: there and back, what is left out, what is refused, and that numbers keep their meaning. */
#include "objects.h"

#include <errno.h>

#include "cache/stored_head.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct fields fields_of(const char *const *names_and_values)
{
    struct fields fields;

    fields_init(&fields, arena, 2);
    for (; *names_and_values != NULL; names_and_values += 2)
        fields_add(&fields, text_from(names_and_values[0]), text_from(names_and_values[1]));
    return fields;
}

static void check_fields(const struct fields *fields, const char *const *names_and_values)
{
    unsigned at = 0;

    for (; names_and_values[2 * at] != NULL; at++) {
        struct text          name = text_from(names_and_values[2 * at]);
        const struct field *field = &fields->items[at];
        assert_true(at < fields->count);
        CHECK_TEXT(field->name, names_and_values[2 * at]);
        CHECK_TEXT(field->value, names_and_values[2 * at + 1]);
        assert_int_equal(field->id, field_id_of(name));
        assert_false(field->is_gone);
    }
    assert_int_equal(fields->count, at);
}

static void a_head_comes_back_as_it_was_spelled(void **state)
{
    static const char *const all[] = {
        "Date", "Sun, 06 Nov 1994 08:49:37 GMT", "content-type", "text/plain",
        "ETag", "\"x\"", "ETAG", "", "X-Ours", "1", "x.odd", "2",
        "Set-Cookie", "a=b", "Set-Cookie", "c=d", NULL, NULL,
    };
    struct fields fields = fields_of(all);
    struct head   head = { .version = 11, .length = 5 };
    struct text   packed;

    (void)state;
    packed = stored_head_pack(arena, 203, TEXT("So so"), &fields);
    assert_true(stored_head_is_sound(packed, arena));
    assert_int_equal(stored_head_unpack(packed, arena, &head), 0);
    assert_int_equal(head.status, 203);
    CHECK_TEXT(head.reason, "So so");
    check_fields(&head.fields, all);
    assert_true(head.has_odd_fields);
    assert_true(head.fields.items[5].is_odd);
    assert_int_equal(head.version, 11);
    assert_int_equal(head.length, 5);
    assert_true(head.reason.ptr >= packed.ptr && head.reason.ptr < packed.ptr + packed.len);
}

static void an_empty_head_comes_back(void **state)
{
    static const char *const none[] = { NULL };
    struct fields            fields = fields_of(none);
    struct head              head = { .has_odd_fields = true };

    (void)state;
    assert_int_equal(
        stored_head_unpack(stored_head_pack(arena, 200, TEXT_NONE, &fields), arena, &head), 0);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.reason.len, 0);
    assert_int_equal(head.fields.count, 0);
    assert_false(head.has_odd_fields);
    fields_add(&head.fields, TEXT("Age"), TEXT("1"));
    assert_int_equal(head.fields.count, 1);
}

/* RFC 9111 3.1: fields of one connection are not stored. */
static void framing_hop_by_hop_and_gone_fields_are_left_out(void **state)
{
    static const char *const all[] = {
        "Content-Length", "5", "transfer-encoding", "chunked", "Connection", "x", "Keep-Alive", "1",
        "Upgrade", "h2c", "Age", "7", "Server", "s", NULL, NULL,
    };
    static const char *const left[] = { "Server", "s", NULL, NULL };
    struct fields            fields = fields_of(all);
    struct head              head;

    (void)state;
    fields_remove(&fields, FIELD_AGE);
    assert_int_equal(
        stored_head_unpack(stored_head_pack(arena, 200, TEXT("OK"), &fields), arena, &head), 0);
    check_fields(&head.fields, left);
}

static struct text text_filled(size_t len)
{
    char *bytes = arena_bytes(arena, len);

    memset(bytes, 'x', len);
    return text_of(bytes, len);
}

static void what_is_too_large_is_not_packed(void **state)
{
    struct fields fields;
    struct text   whole = text_filled(UINT16_MAX), over = text_filled(UINT16_MAX + 1);

    (void)state;
    fields_init(&fields, arena, 4);
    assert_non_null(stored_head_pack(arena, 200, whole, &fields).ptr);
    assert_null(stored_head_pack(arena, 200, over, &fields).ptr);
    fields_add(&fields, whole, whole);
    assert_true(stored_head_is_sound(stored_head_pack(arena, 200, whole, &fields), arena));
    fields_add(&fields, TEXT("A"), over);
    assert_null(stored_head_pack(arena, 200, whole, &fields).ptr);
    fields_init(&fields, arena, 4);
    fields_add(&fields, over, TEXT("a"));
    assert_null(stored_head_pack(arena, 200, whole, &fields).ptr);
    fields_init(&fields, arena, 4);
    for (unsigned i = 0; i < 15; i++)
        fields_add(&fields, TEXT("Server"), whole);
    assert_true(stored_head_is_sound(stored_head_pack(arena, 200, TEXT("OK"), &fields), arena));
    fields_add(&fields, TEXT("Server"), whole);
    assert_null(stored_head_pack(arena, 200, TEXT("OK"), &fields).ptr);
}

/* A format, so that what lies on disks is understood for ever: these bytes, and none else. */
static void the_packed_bytes_are_these(void **state)
{
    static const char *const all[] = { "ETag", "\"a\"", "etag", "", "No-Id", "b", NULL, NULL };
    static const char        bytes[] = "\x01" "\xc8\x00" "\x02\x00" "\x03\x00" "OK"
                                       "\x0a" "\x03\x00" "\"a\""
                                       "\x8a" "\x00\x00" "\x04\x00" "etag"
                                       "\x80" "\x01\x00" "\x05\x00" "No-Id" "b";
    struct fields fields = fields_of(all);
    struct text   packed = stored_head_pack(arena, 200, TEXT("OK"), &fields);

    (void)state;
    assert_true(text_is_equal(packed, text_of(bytes, sizeof(bytes) - 1)));
}

static void numbers_keep_their_names(void **state)
{
    static const char *const names[] = {
        "Accept-Ranges", "Age", "Allow", "Cache-Control", "Content-Encoding", "Content-Location",
        "Content-Range", "Content-Type", "Date", "ETag", "Expires", "Last-Modified", "Link",
        "Location", "Pragma", "Proxy-Authenticate", "Refresh", "Retry-After", "Server",
        "Set-Cookie", "Vary", "Via", "WWW-Authenticate", "X-Accel-Buffering", "X-Accel-Charset",
        "X-Accel-Expires", "X-Accel-Limit-Rate", "X-Accel-Redirect", "X-Pad",
    };
    char        bytes[] = "\x01" "\xc8\x00" "\x00\x00" "\x01\x00" "?" "\x00\x00";
    struct head head;

    (void)state;
    for (unsigned i = 0; i < 128; i++) {
        bytes[7] = (char)i;
        int result = stored_head_unpack(text_of(bytes, sizeof(bytes) - 1), arena, &head);
        if (i == 0 || i > sizeof(names) / sizeof(names[0])) {
            assert_int_equal(result, -EINVAL);
            continue;
        }
        assert_int_equal(result, 0);
        CHECK_TEXT(head.fields.items[0].name, names[i - 1]);
        assert_int_equal(head.fields.items[0].id, field_id_of(text_from(names[i - 1])));
    }
}

static void damaged_heads_are_refused(void **state)
{
    static const struct {
        const char *why, *bytes;
        size_t      len;
    } rows[] = {
#define ROW(why, bytes) { why, bytes, sizeof(bytes) - 1 }
        ROW("nothing", ""),
        ROW("another format", "\x02" "\xc8\x00" "\x00\x00" "\x00\x00"),
        ROW("a status of two digits", "\x01" "\x63\x00" "\x00\x00" "\x00\x00"),
        ROW("a status of four digits", "\x01" "\xe8\x03" "\x00\x00" "\x00\x00"),
        ROW("a longer reason", "\x01" "\xc8\x00" "\x01\x00" "\x00\x00"),
        ROW("bytes behind it", "\x01" "\xc8\x00" "\x00\x00" "\x00\x00" "x"),
        ROW("more fields", "\x01" "\xc8\x00" "\x00\x00" "\x02\x00" "\x0a" "\x00\x00"),
        ROW("fewer fields", "\x01" "\xc8\x00" "\x00\x00" "\x00\x00" "\x0a" "\x00\x00"),
        ROW("a longer value", "\x01" "\xc8\x00" "\x00\x00" "\x01\x00" "\x0a" "\x02\x00" "x"),
        ROW("no name", "\x01" "\xc8\x00" "\x00\x00" "\x01\x00" "\x80" "\x00\x00" "\x00\x00"),
        ROW("a longer name", "\x01" "\xc8\x00" "\x00\x00" "\x01\x00" "\x80" "\x00\x00" "\x02\x00" "x"),
        ROW("a cut name", "\x01" "\xc8\x00" "\x00\x00" "\x01\x00" "\x80" "\x00\x00" "\x02"),
        ROW("a number nobody has", "\x01" "\xc8\x00" "\x00\x00" "\x01\x00" "\xff" "\x00\x00" "\x01\x00" "x"),
        ROW("another name", "\x01" "\xc8\x00" "\x00\x00" "\x01\x00" "\x8a" "\x00\x00" "\x04\x00" "vary"),
#undef ROW
    };
    struct head head = { .status = 7 };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (stored_head_unpack(text_of(rows[i].bytes, rows[i].len), arena, &head) != -EINVAL)
            fail_msg("%s is not refused", rows[i].why);
        assert_int_equal(head.status, 7);
    }
}

static void every_cut_of_a_head_is_refused(void **state)
{
    static const char *const all[] = { "Server", "s", "x-y", "z", "Link", "", NULL, NULL };
    struct fields            fields = fields_of(all);
    struct text              packed = stored_head_pack(arena, 200, TEXT("OK"), &fields);
    struct head              head;

    (void)state;
    for (size_t len = 0; len < packed.len; len++)
        assert_int_equal(stored_head_unpack(text_part(packed, 0, len), arena, &head), -EINVAL);
}

static void what_no_parser_lets_in_is_not_sound(void **state)
{
    static const struct {
        const char *why, *name, *value, *reason;
    } rows[] = {
        { "a line break in a value", "A", "b\r\nc: d", "OK" },
        { "a line break in a name", "A: b\r\nc", "d", "OK" },
        { "a line break in the reason", "A", "b", "OK\r\n" },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const all[] = { rows[i].name, rows[i].value, NULL, NULL };
        struct fields     fields = fields_of(all);
        struct text       packed = stored_head_pack(arena, 200, text_from(rows[i].reason), &fields);
        if (stored_head_is_sound(packed, arena))
            fail_msg("%s is sound", rows[i].why);
    }
    assert_false(stored_head_is_sound(
        text_of("\x01" "\xc8\x00" "\x00\x00" "\x01\x00" "\x80" "\x01\x00" "\x0e\x00" "Content-Length5", 26),
        arena));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_comes_back_as_it_was_spelled),
        cmocka_unit_test(an_empty_head_comes_back),
        cmocka_unit_test(framing_hop_by_hop_and_gone_fields_are_left_out),
        cmocka_unit_test(what_is_too_large_is_not_packed),
        cmocka_unit_test(the_packed_bytes_are_these),
        cmocka_unit_test(numbers_keep_their_names),
        cmocka_unit_test(damaged_heads_are_refused),
        cmocka_unit_test(every_cut_of_a_head_is_refused),
        cmocka_unit_test(what_no_parser_lets_in_is_not_sound),
    };

    return cmocka_run_group_tests_name("cache/stored_head", tests, set_up, tear_down);
}
