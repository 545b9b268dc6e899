// SPDX-License-Identifier: MIT
/* sink: lines arrive whole and in order from many threads; a blocked pipe stalls nobody; what does
 * not fit is dropped and counted; rotation sends old lines to the old file. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "net/sink.h"

static char directory[] = "/tmp/frontdesk-sink-XXXXXX";

static int file_open(const char *name)
{
    char path[100];
    int  fd;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)unlink(path);
    return fd;
}

static off_t size_of(int fd)
{
    struct stat stat;

    assert_int_equal(fstat(fd, &stat), 0);
    return stat.st_size;
}

static void check_file(int fd, const char *wanted)
{
    char    got[256];
    ssize_t n = pread(fd, got, sizeof(got), 0);

    assert_true(n >= 0);
    CHECK_TEXT(text_of(got, (size_t)n), wanted);
}

static struct sink *sink_on(int fd)
{
    return sink_new(TEXT("a.log"), dup(fd), 0, 0);
}

static void lines_are_written_soon(void **state)
{
    int          fd = file_open("a");
    struct sink *sink = sink_on(fd);

    (void)state;
    sink_write(sink, TEXT("one\n"));
    sink_write_log(sink, LOG_INFO, TEXT("two\n"));
    WAIT_UNTIL(size_of(fd) == 8);
    check_file(fd, "one\ntwo\n");
    assert_int_equal(sink_dropped(sink), 0);
    sink_unref(&sink);
    assert_null(sink);
    (void)close(fd);
}

static void flush_and_buffer_set_the_pace(void **state)
{
    int          fd = file_open("a");
    struct sink *sink = sink_new(TEXT("a"), dup(fd), 60000, 10);

    (void)state;
    sink_write(sink, TEXT("12345\n"));
    (void)usleep(100 * 1000);
    assert_int_equal(size_of(fd), 0);
    sink_write(sink, TEXT("789\n"));   /* the tenth byte */
    WAIT_UNTIL(size_of(fd) == 10);
    sink_write(sink, TEXT("rest\n"));
    sink_unref(&sink);                 /* the last one writes what waits */
    WAIT_UNTIL(size_of(fd) == 15);
    (void)close(fd);
}

static void who_holds_it_keeps_it(void **state)
{
    int          fd = file_open("a");
    struct sink *sink = sink_on(fd), *other = sink_ref(sink);

    (void)state;
    sink_unref(&sink);
    (void)usleep(50 * 1000);
    sink_write(other, TEXT("still\n"));
    WAIT_UNTIL(size_of(fd) == 6);
    sink_unref(&other);
    (void)close(fd);
}

/* ---- many threads ---- */

enum { WRITERS = 4, LINES = 20000, LINE_BYTES = 16 };

static void *write_lines(void *arg)
{
    struct sink *sink = ((void **)arg)[0];
    unsigned     name = (unsigned)(uintptr_t)((void **)arg)[1];
    char         line[LINE_BYTES + 1];

    for (unsigned i = 0; i < LINES; i++) {
        (void)snprintf(line, sizeof(line), "%c %013u\n", 'a' + (int)name, i);
        sink_write(sink, text_of(line, LINE_BYTES));
        if (i % 1000 == 999)
            (void)usleep(2000);   /* not faster than SINK_MOST_BYTES between two rounds */
    }
    return NULL;
}

static void check_lines(const char *bytes)
{
    unsigned next[WRITERS] = { 0 };

    for (unsigned i = 0; i < WRITERS * LINES; i++) {
        const char *line = bytes + (size_t)i * LINE_BYTES;
        unsigned    name = (unsigned)(line[0] - 'a');
        char        wanted[LINE_BYTES + 1];

        assert_true(name < WRITERS);
        (void)snprintf(wanted, sizeof(wanted), "%c %013u\n", 'a' + (int)name, next[name]++);
        assert_memory_equal(line, wanted, LINE_BYTES);
    }
}

static void lines_of_many_threads_stay_whole_and_in_order(void **state)
{
    int          fd = file_open("a");
    struct sink *sink = sink_on(fd);
    pthread_t    threads[WRITERS];
    void        *args[WRITERS][2];
    size_t       total = (size_t)WRITERS * LINES * LINE_BYTES;
    char        *bytes = malloc(total);

    (void)state;
    for (unsigned i = 0; i < WRITERS; i++) {
        args[i][0] = sink;
        args[i][1] = (void *)(uintptr_t)i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, args[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        (void)pthread_join(threads[i], NULL);
    WAIT_UNTIL((size_t)size_of(fd) == total);
    assert_int_equal(sink_dropped(sink), 0);
    assert_int_equal(pread(fd, bytes, total, 0), (ssize_t)total);
    check_lines(bytes);
    free(bytes);
    sink_unref(&sink);
    (void)close(fd);
}

/* ---- what is slow or broken ---- */

static void pipe_of_one_page(int fds[2])
{
    assert_int_equal(pipe(fds), 0);
    (void)fcntl(fds[1], F_SETPIPE_SZ, 4096);
}

static size_t drain(int fd, size_t wanted)
{
    char    bytes[65536];
    size_t  total = 0;
    ssize_t n;

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    WAIT_UNTIL((n = read(fd, bytes, sizeof(bytes)),
                total += n > 0 ? (size_t)n : 0, total >= wanted));
    return total;
}

static void a_blocked_pipe_stalls_nobody(void **state)
{
    static char  big[64 * 1024];
    int          fds[2], fd = file_open("a"), flags;
    struct sink *blocked, *other = sink_on(fd);
    size_t       given = 0;
    int64_t      start_ms = clock_mono_ms();

    (void)state;
    pipe_of_one_page(fds);
    flags = fcntl(fds[1], F_GETFL);
    blocked = sink_on(fds[1]);
    memset(big, '.', sizeof(big));
    for (int i = 0; i < 64; i++) {           /* 4 MB into a page */
        sink_write(blocked, text_of(big, sizeof(big)));
        given += sizeof(big);
    }
    sink_write(other, TEXT("free\n"));
    WAIT_UNTIL(size_of(fd) == 5);
    assert_in_range(clock_mono_ms() - start_ms, 0, 2000);
    assert_int_equal(fcntl(fds[1], F_GETFL), flags);
    assert_in_range(sink_dropped(blocked), given - 3 * SINK_MOST_BYTES, given - SINK_MOST_BYTES);
    /* What was not dropped comes once somebody reads. */
    given -= sink_dropped(blocked);
    assert_int_equal(drain(fds[0], given), given);
    sink_unref(&blocked);
    sink_unref(&other);
    (void)close(fds[0]);
    (void)close(fds[1]);
    (void)close(fd);
}

static void a_nonblocking_pipe_loses_nothing(void **state)
{
    static char  big[256 * 1024];
    int          fds[2];
    struct sink *sink;

    (void)state;
    pipe_of_one_page(fds);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    sink = sink_on(fds[1]);
    memset(big, '.', sizeof(big));
    sink_write(sink, text_of(big, sizeof(big)));
    assert_int_equal(drain(fds[0], sizeof(big)), sizeof(big));
    assert_int_equal(sink_dropped(sink), 0);
    sink_unref(&sink);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* SIGPIPE is at its default here: it must not end the process. */
static void a_pipe_without_reader_drops(void **state)
{
    int          fds[2];
    struct sink *sink;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    sink = sink_on(fds[1]);
    (void)close(fds[1]);
    (void)close(fds[0]);
    sink_write(sink, TEXT("nobody\n"));
    WAIT_UNTIL(sink_dropped(sink) == 7);
    sink_unref(&sink);
}

static void a_full_disk_drops_and_goes_on(void **state)
{
    int          full = open("/dev/full", O_WRONLY | O_CLOEXEC), fd = file_open("a");
    struct sink *sink;

    (void)state;
    assert_true(full >= 0);
    sink = sink_on(full);
    sink_write(sink, TEXT("no space\n"));
    WAIT_UNTIL(sink_dropped(sink) == 9);
    sink_write(sink, TEXT("none\n"));
    WAIT_UNTIL(sink_dropped(sink) == 14);
    sink_reopen(sink, dup(fd));
    sink_write(sink, TEXT("space\n"));
    WAIT_UNTIL(size_of(fd) == 6);
    assert_int_equal(sink_dropped(sink), 14);
    sink_unref(&sink);
    (void)close(full);
    (void)close(fd);
}

/* Half of a buffer fits: that half is not counted as dropped. */
static void a_file_that_ends_too_soon(void **state)
{
    static char   big[8192];
    struct rlimit limit, small;
    int           fd = file_open("a");
    struct sink  *sink = sink_on(fd);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 5000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    memset(big, '.', sizeof(big));
    sink_write(sink, text_of(big, sizeof(big)));
    WAIT_UNTIL(sink_dropped(sink) > 0);
    assert_int_equal(sink_dropped(sink), sizeof(big) - 5000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(size_of(fd), 5000);
    sink_unref(&sink);
    (void)close(fd);
}

/* ---- rotation ---- */

static void old_lines_go_to_the_old_file(void **state)
{
    int          old = file_open("old"), new = file_open("new"), newest = file_open("newest");
    struct sink *sink = sink_new(TEXT("a"), dup(old), 60000, 0);

    (void)state;
    sink_write(sink, TEXT("before\n"));
    sink_reopen(sink, dup(new));
    sink_write(sink, TEXT("after\n"));
    WAIT_UNTIL(size_of(old) > 0);
    check_file(old, "before\n");
    sink_reopen(sink, dup(newest));
    sink_write(sink, TEXT("last\n"));
    sink_unref(&sink);
    WAIT_UNTIL(size_of(newest) > 0);
    check_file(old, "before\n");
    check_file(new, "after\n");
    check_file(newest, "last\n");
    (void)close(old);
    (void)close(new);
    (void)close(newest);
}

static void a_blocked_old_one_does_not_hold_up_the_new(void **state)
{
    static char  big[16384];
    int          fds[2], fd = file_open("a");
    struct sink *sink;

    (void)state;
    pipe_of_one_page(fds);
    sink = sink_on(fds[1]);
    memset(big, '.', sizeof(big));
    sink_write(sink, text_of(big, sizeof(big)));
    (void)usleep(50 * 1000);
    sink_reopen(sink, dup(fd));
    sink_write(sink, TEXT("new\n"));
    WAIT_UNTIL(size_of(fd) == (off_t)(sizeof(big) - 4096 + 4));
    assert_int_equal(sink_dropped(sink), 0);
    sink_unref(&sink);
    (void)close(fds[0]);
    (void)close(fds[1]);
    (void)close(fd);
}

/* ---- senders ---- */

/* Keeps what it is sent; does with the next message what `then` says. */
static struct teller {
    struct sink_sender    sender;
    char                  got[256];
    size_t                len;
    _Atomic enum sink_sent then;
    _Atomic int           tries, rests;
    _Atomic bool          is_freed, has_got;
} teller;

static size_t teller_head(const struct sink_sender *sender, int level, char buffer[SINK_HEAD_BYTES])
{
    (void)sender;
    buffer[0] = level < 0 ? '-' : (char)('0' + level);
    return 1;
}

static enum sink_sent teller_send(struct sink_sender *sender, struct text message, int *reterr)
{
    (void)sender;
    teller.tries++;
    if (teller.then != SINK_SENT) {
        *reterr = -ECONNREFUSED;
        return teller.then;
    }
    memcpy(teller.got + teller.len, message.ptr, message.len);
    teller.len += message.len;
    teller.got[teller.len++] = '|';
    teller.has_got = true;
    return SINK_SENT;
}

static void teller_rest(struct sink_sender *sender)
{
    (void)sender;
    teller.rests++;
}

static void teller_free(struct sink_sender *sender)
{
    (void)sender;
    teller.is_freed = true;
}

static struct sink *sink_on_teller(enum sink_sent then)
{
    memset(&teller, 0, sizeof(teller));
    teller.sender = (struct sink_sender){ .head = teller_head, .send = teller_send,
                                          .rest = teller_rest, .free = teller_free };
    teller.then = then;
    return sink_new_sender(TEXT("teller"), &teller.sender);
}

static void a_sender_gets_line_by_line(void **state)
{
    struct sink *sink = sink_on_teller(SINK_SENT);

    (void)state;
    sink_write(sink, TEXT("one\n"));
    sink_write_log(sink, LOG_ERROR, TEXT("two\nlines\n"));
    sink_write_to(sink, TEXT("head:"), TEXT("as it is\n"));
    WAIT_UNTIL(teller.tries == 3 && teller.rests > 0);
    sink_unref(&sink);
    WAIT_UNTIL(teller.is_freed);
    CHECK_TEXT(text_of(teller.got, teller.len), "-one|4two\nlines|head:as it is\n|");
}

static void a_sender_is_tried_again(void **state)
{
    struct sink *sink = sink_on_teller(SINK_LATER);

    (void)state;
    sink_write(sink, TEXT("kept\n"));
    WAIT_UNTIL(teller.tries > 2);
    assert_int_equal(sink_dropped(sink), 0);
    teller.then = SINK_SENT;
    WAIT_UNTIL(teller.has_got);
    sink_unref(&sink);
    WAIT_UNTIL(teller.is_freed);
    CHECK_TEXT(text_of(teller.got, teller.len), "-kept|");
}

static void what_a_sender_loses_is_counted_and_said(void **state)
{
    int          fd = file_open("a");
    struct sink *sink = sink_on_teller(SINK_LOST), *errors = sink_on(fd);

    (void)state;
    sinks_report_to(errors);
    sink_write(sink, TEXT("lost\n"));
    WAIT_UNTIL(sink_dropped(sink) == 5);   /* its head counts */
    WAIT_UNTIL(size_of(fd) > 100);
    sink_unref(&sink);
    sink_unref(&errors);
    WAIT_UNTIL(teller.is_freed);

    char    said[512];
    ssize_t n = pread(fd, said, sizeof(said) - 1, 0);
    assert_true(n > 0);
    said[n] = '\0';
    assert_non_null(strstr(said, "logging to \"teller\" failed (111: Connection refused)"));
    assert_non_null(strstr(said, "5 bytes of log lines could not be written to \"teller\""));
    (void)close(fd);
}

static void a_server_that_is_gone_holds_up_no_end(void **state)
{
    struct sink *sink = sink_on_teller(SINK_LATER);
    int64_t      start_ms = clock_mono_ms();

    (void)state;
    sink_write(sink, TEXT("never\n"));
    sinks_stop(5000);
    assert_in_range(clock_mono_ms() - start_ms, 0, 2000);
    sink_unref(&sink);
}

/* ---- the end; each test above works on a thread that was stopped before, too ---- */

static void stopping_writes_what_waits(void **state)
{
    int          fd = file_open("a");
    struct sink *sink = sink_new(TEXT("a"), dup(fd), 60000, 0);

    (void)state;
    sink_write(sink, TEXT("late\n"));
    sinks_stop(5000);
    assert_int_equal(size_of(fd), 5);
    sink_unref(&sink);
    (void)close(fd);
}

static void stopping_does_not_wait_for_ever(void **state)
{
    static char  big[16384];
    int          fds[2], fd = file_open("a");
    struct sink *blocked, *other;
    int64_t      start_ms = clock_mono_ms();

    (void)state;
    pipe_of_one_page(fds);
    blocked = sink_on(fds[1]);
    other = sink_new(TEXT("b"), dup(fd), 60000, 0);
    memset(big, '.', sizeof(big));
    sink_write(blocked, text_of(big, sizeof(big)));
    sink_write(other, TEXT("written\n"));
    sinks_stop(200);
    assert_in_range(clock_mono_ms() - start_ms, 190, 2000);
    assert_int_equal(size_of(fd), 8);
    sink_unref(&blocked);
    sink_unref(&other);
    (void)close(fds[0]);
    (void)close(fds[1]);
    (void)close(fd);
}

static int set_up(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    return mkdtemp(directory) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    sinks_stop(1000);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_written_soon),
        cmocka_unit_test(flush_and_buffer_set_the_pace),
        cmocka_unit_test(who_holds_it_keeps_it),
        cmocka_unit_test(lines_of_many_threads_stay_whole_and_in_order),
        cmocka_unit_test(a_sender_gets_line_by_line),
        cmocka_unit_test(a_sender_is_tried_again),
        cmocka_unit_test(what_a_sender_loses_is_counted_and_said),
        cmocka_unit_test(a_server_that_is_gone_holds_up_no_end),
        cmocka_unit_test(stopping_writes_what_waits),
        cmocka_unit_test(a_blocked_pipe_stalls_nobody),
        cmocka_unit_test(a_nonblocking_pipe_loses_nothing),
        cmocka_unit_test(a_pipe_without_reader_drops),
        cmocka_unit_test(a_full_disk_drops_and_goes_on),
        cmocka_unit_test(a_file_that_ends_too_soon),
        cmocka_unit_test(old_lines_go_to_the_old_file),
        cmocka_unit_test(a_blocked_old_one_does_not_hold_up_the_new),
        cmocka_unit_test(stopping_does_not_wait_for_ever),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
