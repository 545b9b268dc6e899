// SPDX-License-Identifier: MIT
/* Lines of the access log: escapes, conditions, several logs, lines longer than the buffer. The sink
 * is ours: it keeps what is written. */
#include "proxy/access_log.h"

#include "net/sink.h"

#include "desk.h"

enum { KEPT_BYTES = 100000 };

static char   kept[KEPT_BYTES];
static size_t kept_len;
static struct sink *const sink = (struct sink *)(void *)kept;

void sink_write(struct sink *to, struct text lines)
{
    assert_ptr_equal(to, sink);
    assert_true(kept_len + lines.len <= sizeof(kept));
    memcpy(kept + kept_len, lines.ptr, lines.len);
    kept_len += lines.len;
}

/* "path|line" */
void sink_write_to(struct sink *to, struct text head, struct text line)
{
    assert_int_equal(head.ptr[head.len - 1], '\0');
    head.len--;
    sink_write(to, head);
    sink_write(to, TEXT("|"));
    sink_write(to, line);
}

static struct log_file   file = { .sink = sink };
static struct log_format format;
static struct access_log log_line;

static void begin(enum log_escape escape, const char *source)
{
    kept_len = 0;
    format = (struct log_format){ .escape = escape, .line = desk_template(source) };
    log_line = (struct access_log){ .file = &file, .format = &format };
    desk->location.access_logs = &log_line;
}

static void check_line(const char *wanted)
{
    kept_len = 0;
    access_log_write(&desk->x);
    CHECK_TEXT(text_of(kept, kept_len), wanted);
}

static void combined_is_written(void **state)
{
    (void)state;
    begin(LOG_ESCAPE_DEFAULT, "$remote_addr - $remote_user [-] \"$request\" $status "
                              "$body_bytes_sent \"$http_referer\" \"$http_user_agent\"");
    desk_request("GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: \"cu\\rl\"\r\n\r\n");
    desk->x.status = 404;
    check_line("192.0.2.1 - - [-] \"GET /x HTTP/1.1\" 404 0 \"-\" \"\\x22cu\\x5Crl\\x22\"\n");
}

static void a_path_is_the_requests(void **state)
{
    (void)state;
    begin(LOG_ESCAPE_DEFAULT, "$uri");
    log_line.path = desk_template("/logs/$arg_n.log");
    desk_request("GET /x?n=one HTTP/1.1\r\nHost: a\r\n\r\n");
    check_line("/logs/one.log|/x\n");
    desk->x.query = text_of("n=a\0b", 5);
    check_line("");
}

static void one_byte_is_escaped_at_any_place(void **state)
{
    static const struct { char byte; const char *escaped, *json; } cases[] = {
        { '"', "\\x22", "\\\"" },   { '\\', "\\x5C", "\\\\" },  { '\t', "\\x09", "\\t" },
        { '\x1f', "\\x1F", "\\u001F" }, { '\x7f', "\\x7F", "\x7f" },
        { '\x80', "\\x80", "\x80" }, { '\xff', "\\xFF", "\xff" }, { ' ', " ", " " },
        { '~', "~", "~" }, { '\n', "\\x0A", "\\n" }, { '\b', "\\x08", "\\b" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t place = 0; place < 20; place++) {
            char value[] = "abcdefghijklmnopqrst";
            value[place] = cases[i].byte;
            desk->x.path = text_from(value);
            begin(LOG_ESCAPE_DEFAULT, "$uri");
            check_line(arena_format(desk->arena, "%.*s%s%s\n", (int)place, value,
                                    cases[i].escaped, value + place + 1).ptr);
            begin(LOG_ESCAPE_JSON, "$uri");
            check_line(arena_format(desk->arena, "%.*s%s%s\n", (int)place, value, cases[i].json,
                                    value + place + 1).ptr);
            begin(LOG_ESCAPE_NONE, "$uri");
            check_line(arena_format(desk->arena, "%s\n", value).ptr);
        }
}

static void what_is_missing_shows_in_the_default_form_only(void **state)
{
    (void)state;
    begin(LOG_ESCAPE_DEFAULT, "[$args][$https]");
    check_line("[-][]\n");
    begin(LOG_ESCAPE_JSON, "[$args][$https]");
    check_line("[][]\n");
    begin(LOG_ESCAPE_NONE, "[$args][$https]");
    check_line("[][]\n");
}

static void conditions_and_closed_files_are_heeded(void **state)
{
    struct log_file   closed = { .sink = NULL };
    struct log_format other = { .line = desk_template("other") };
    struct access_log second = { .file = &file, .format = &other };
    struct access_log shut = { .next = &second, .file = &closed, .format = &other };

    (void)state;
    begin(LOG_ESCAPE_DEFAULT, "first");
    log_line.next = &shut;
    check_line("first\nother\n");
    log_line.condition = desk_template("$arg_log");
    check_line("other\n");
    desk_request("GET /?log=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    check_line("other\n");
    desk_request("GET /?log=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    check_line("first\nother\n");
    desk->location.access_logs = NULL;
    check_line("");
}

static void long_lines_are_whole(void **state)
{
    static char path[9000];

    (void)state;
    begin(LOG_ESCAPE_DEFAULT, "$uri|$uri|end");
    for (size_t len = 4080; len <= sizeof(path); len += len < 4100 ? 1 : 700) {
        memset(path, 'p', len);
        desk->x.path = text_of(path, len);
        kept_len = 0;
        access_log_write(&desk->x);
        assert_int_equal(kept_len, 2 * len + sizeof("||end\n") - 1);
        assert_memory_equal(kept + kept_len - 6, "p|end\n", 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DESK(combined_is_written),
        WITH_DESK(a_path_is_the_requests),
        WITH_DESK(one_byte_is_escaped_at_any_place),
        WITH_DESK(what_is_missing_shows_in_the_default_form_only),
        WITH_DESK(conditions_and_closed_files_are_heeded),
        WITH_DESK(long_lines_are_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
