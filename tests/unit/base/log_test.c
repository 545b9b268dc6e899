// SPDX-License-Identifier: MIT
/* log: lines exactly in nginx's form, one per event whatever the message holds. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>

#include "base/log.h"

struct lines {
    char   bytes[16 * LOG_LINE_BYTES];
    size_t len;
    int    count;
};

static void lines_write(void *target, enum log_level level, struct text line)
{
    struct lines *lines = target;

    assert_non_null(strstr(line.ptr, log_level_name(level)));
    assert_true(lines->len + line.len < sizeof(lines->bytes));
    memcpy(lines->bytes + lines->len, line.ptr, line.len);
    lines->len += line.len;
    lines->bytes[lines->len] = '\0';
    lines->count++;
    errno = EBADMSG;   /* must not reach the one who logs */
}

static struct lines lines;
static const struct log log_to_lines = { .level = LOG_INFO, .write = lines_write, .target = &lines };

static int set_up(void **state)
{
    (void)state;
    lines = (struct lines){ .len = 0 };
    log_use(&log_to_lines);
    return 0;
}

static void check_matches(const char *text, const char *pattern)
{
    regex_t regex;
    int     result;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    result = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (result != 0)
        fail_msg("\"%s\" doesn't match \"%s\"", text, pattern);
}

#define DATE "^20[0-9]{2}/[01][0-9]/[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9] "

static void lines_have_nginxs_form(void **state)
{
    char wanted[64];

    (void)state;
    log_at(LOG_ERROR, NULL, "connect() failed %s", log_errno(ECONNREFUSED).text);
    check_matches(lines.bytes, DATE "\\[error\\] [0-9]+#[0-9]+: connect\\(\\) failed "
                               "\\(111: Connection refused\\)\n$");
    (void)snprintf(wanted, sizeof(wanted), "[error] %d#%d: connect()", (int)getpid(),
                   (int)gettid());
    assert_non_null(strstr(lines.bytes, wanted));
}

static void describe_client(const struct log_scope *scope, struct writer *writer)
{
    (void)scope;
    writer_string(writer, ", client: 10.0.0.1");
}

static void describe_request(const struct log_scope *scope, struct writer *writer)
{
    (void)scope;
    writer_string(writer, ", request: \"GET /\r\n HTTP/1.1\"");
}

static void scopes_say_who_is_speaking(void **state)
{
    const struct log_scope process = { .connection = 3 };
    const struct log_scope client = { .outer = &process, .connection = 7, .describe = describe_client };
    const struct log_scope request = { .outer = &client, .describe = describe_request };

    (void)state;
    log_at(LOG_WARN, &request, "slow");
    check_matches(lines.bytes, ": \\*7 slow, client: 10\\.0\\.0\\.1, request: \"GET /");
    assert_non_null(strstr(lines.bytes, "\"GET /\\x0D\\x0A HTTP/1.1\"\n"));
    assert_int_equal(lines.count, 1);
    lines.len = 0;
    log_at(LOG_WARN, &process, "slow");
    check_matches(lines.bytes, ": \\*3 slow\n$");
}

static void hostile_bytes_stay_in_one_line(void **state)
{
    (void)state;
    log_at(LOG_ERROR, NULL, "%s", "a\nb\rc\x1b[2J\x7f\x01\t\xc3\xa4");
    assert_non_null(strstr(lines.bytes, ": a\\x0Ab\\x0Dc\\x1B[2J\\x7F\\x01\\x09\xc3\xa4\n"));
    assert_ptr_equal(strchr(lines.bytes, '\n'), lines.bytes + lines.len - 1);
}

static void long_lines_are_cut_and_still_end(void **state)
{
    char message[2 * LOG_LINE_BYTES];

    (void)state;
    for (size_t len = LOG_LINE_BYTES - 100; len < LOG_LINE_BYTES + 20; len++) {
        memset(message, len % 2 ? 'x' : '\n', len);
        message[len] = '\0';
        lines.len = 0;
        log_at(LOG_ERROR, &(struct log_scope){ .describe = describe_client }, "%s", message);
        assert_true(lines.len <= LOG_LINE_BYTES);
        assert_ptr_equal(strchr(lines.bytes, '\n'), lines.bytes + lines.len - 1);
    }
}

static void levels_are_shown_from_the_logs_own_on(void **state)
{
    (void)state;
    assert_false(log_is_shown(LOG_DEBUG));
    assert_true(log_is_shown(LOG_INFO));
    log_at(LOG_DEBUG, NULL, "no");
    assert_int_equal(lines.count, 0);
    log_at(LOG_INFO, NULL, "yes");
    log_at(LOG_EMERG, NULL, "yes");
    assert_int_equal(lines.count, 2);
}

static void chained_logs_have_their_own_levels(void **state)
{
    static struct lines quiet_lines;
    const struct log    quiet = { .level = LOG_CRIT, .write = lines_write, .target = &quiet_lines };
    const struct log    loud = { .next = &quiet, .level = LOG_DEBUG, .write = lines_write,
                                 .target = &lines };

    (void)state;
    log_to(&loud, LOG_DEBUG, NULL, "one");
    log_to(&loud, LOG_CRIT, NULL, "two");
    log_to(&quiet, LOG_ERROR, NULL, "three");
    log_to(NULL, LOG_EMERG, NULL, "nowhere");
    assert_int_equal(lines.count, 2);
    assert_int_equal(quiet_lines.count, 1);
    check_matches(quiet_lines.bytes, "\\[crit\\] .*: two\n$");
    log_use(&quiet);
    assert_ptr_equal(log_used(), &quiet);
    assert_false(log_is_shown(LOG_ERROR));
    log_use(&loud);
    assert_true(log_is_shown(LOG_DEBUG));
    log_use(NULL);
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    errno = EPIPE;
    log_at(LOG_ERROR, NULL, "x");
    assert_int_equal(errno, EPIPE);
    assert_int_equal(lines.count, 1);
}

static void *log_from_a_thread(void *argument)
{
    *(bool *)argument = log_used() != &log_to_lines && !log_is_shown(LOG_INFO) &&
                        log_is_shown(LOG_NOTICE);
    return NULL;
}

static void a_thread_without_a_log_has_standard_error(void **state)
{
    bool      is_right = false;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, log_from_a_thread, &is_right), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_right);
}

static void log_to_standard_error(void)
{
    log_use(NULL);
    log_at(LOG_INFO, NULL, "hidden");
    log_at(LOG_NOTICE, NULL, "seen");
}

static void print_plainly(void)
{
    log_plain(LOG_EMERG, "unknown directive \"%s\" in %s:%d", "x\ny", "nginx.conf", 3);
}

static void standard_error_gets_what_nobody_takes(void **state)
{
    char said[1024];

    (void)state;
    (void)run_in_child(log_to_standard_error, said, sizeof(said));
    check_matches(said, DATE "\\[notice\\] [0-9]+#[0-9]+: seen\n$");
    (void)run_in_child(print_plainly, said, sizeof(said));
    assert_string_equal(said,
                        "frontdesk: [emerg] unknown directive \"x\\x0Ay\" in nginx.conf:3\n");
}

static void a_descriptor_that_is_full_drops_the_line(void **state)
{
    enum { LINES = 5000 };
    int        ends[2], whole = 0;
    char       c, last = '\n';
    struct log full = { .level = LOG_INFO, .write = log_write_fd };

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    full.target = (void *)(intptr_t)ends[1];
    for (int i = 0; i < LINES; i++)
        log_to(&full, LOG_INFO, NULL, "line %d", i);
    (void)close(ends[1]);
    log_to(&full, LOG_INFO, NULL, "to a closed one");
    for (; read(ends[0], &c, 1) == 1; last = c)
        whole += c == '\n';
    (void)close(ends[0]);
    assert_true(whole > 100 && whole < LINES);
    assert_int_equal(last, '\n');
}

static void levels_have_nginxs_names(void **state)
{
    static const char *const names[] = { "debug", "info",  "notice", "warn",
                                         "error", "crit",  "alert",  "emerg" };
    enum log_level           level = LOG_CRIT;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        assert_string_equal(log_level_name((enum log_level)i), names[i]);
        assert_int_equal(log_level_parse(text_from(names[i]), &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(log_level_parse(TEXT("Error"), &level), -EINVAL);
    assert_int_equal(log_level_parse(TEXT_NONE, &level), -EINVAL);
    assert_int_equal(level, LOG_EMERG);
}

static void errors_have_number_and_words(void **state)
{
    (void)state;
    assert_string_equal(log_errno(ENOENT).text, "(2: No such file or directory)");
    assert_string_equal(log_errno(4711).text, "(4711: Unknown error 4711)");
}

#define WITH_LINES(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LINES(lines_have_nginxs_form),
        WITH_LINES(scopes_say_who_is_speaking),
        WITH_LINES(hostile_bytes_stay_in_one_line),
        WITH_LINES(long_lines_are_cut_and_still_end),
        WITH_LINES(levels_are_shown_from_the_logs_own_on),
        WITH_LINES(chained_logs_have_their_own_levels),
        WITH_LINES(errno_is_left_alone),
        WITH_LINES(a_thread_without_a_log_has_standard_error),
        WITH_LINES(standard_error_gets_what_nobody_takes),
        WITH_LINES(a_descriptor_that_is_full_drops_the_line),
        WITH_LINES(levels_have_nginxs_names),
        WITH_LINES(errors_have_number_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
