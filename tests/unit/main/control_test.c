// SPDX-License-Identifier: MIT
/* control: commands that answer at once, later, too much, not at all; callers that leave; the table.
 * The loop runs on the test's own thread, callers are one end of a socket pair. */
#include "base/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"
#include "base/pool.h"
#include "main/control_table.h"

enum { GUARD_MS = 5000, HEARD_MOST = CONTROL_ANSWER_MOST + 1024 };

static struct loop            *loop;
static struct control         *control;
static struct control_request *kept;                 /* a command that has not ended */
static char                    heard[HEARD_MOST];    /* of the caller, until the end */
static size_t                  heard_len;
static const char             *sent;
static bool                    is_late;

/* The caller's end, on the same loop. */
static struct watch watch;
static struct task  task, guard_task, later_task;
static struct timer guard, later;

/* ---- commands ---- */

static void now_run(struct control_request *request)
{
    control_say(request, "%s", (const char *)request->asked_of);
    for (unsigned i = 0; i < request->word_count; i++)
        control_say(request, "word %.*s", TEXT_ARGS(request->words[i]));
    control_end(request);
}

static void fail_run(struct control_request *request)
{
    control_say(request, "a\nb\tc");
    control_fail(request, "no %s", "luck");
}

static void later_end(struct task *unused, unsigned wakes)
{
    (void)unused;
    (void)wakes;
    control_say(kept, "at last");
    control_end(kept);
    kept = NULL;
}

static void later_run(struct control_request *request)
{
    kept = request;
    control_say_progress(request, "half");
    timer_set(loop_timers(loop), &later, loop_now_ms(loop) + 20);
}

static void much_run(struct control_request *request)
{
    char line[1000];

    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 2 * CONTROL_ANSWER_MOST / (int)sizeof(line); i++)
        control_say(request, "%.*s", (int)sizeof(line), line);
    control_end(request);
}

/* Ends when the caller has left. */
static void leave_look(struct task *unused, unsigned wakes)
{
    (void)unused;
    (void)wakes;
    control_say_progress(kept, "anybody there?");
    if (!control_has_left(kept)) {
        timer_set(loop_timers(loop), &later, loop_now_ms(loop) + 5);
        return;
    }
    control_end(kept);
    kept = NULL;
    loop_stop(loop);
}

static void leave_run(struct control_request *request)
{
    kept = request;
    loop_unwatch(loop, &watch);
    (void)close(watch.fd);
    watch.fd = -1;
    task_init(&later_task, leave_look);
    timer_set(loop_timers(loop), &later, loop_now_ms(loop) + 5);
}

static void stay_run(struct control_request *request)
{
    (void)request;
    loop_stop(loop);
}

static const struct control_command commands[] = {
    { "now", "[word]...", now_run },   { "fail", "", fail_run },
    { "later", "", later_run },        { "much", "", much_run },
    { "leave", "", leave_run },        { "stay", "", stay_run },
    { "one", "", fail_run },
    { "one two", "", now_run },        { NULL, NULL, NULL },
};

/* ---- the caller ---- */

static void hear(struct task *unused, unsigned wakes)
{
    ssize_t len = 1;

    (void)unused;
    (void)wakes;
    while (len > 0) {
        len = read(watch.fd, heard + heard_len, sizeof(heard) - heard_len);
        heard_len += len > 0 ? (size_t)len : 0;
    }
    if (len == 0)
        loop_stop(loop);
}

static void guard_run(struct task *unused, unsigned wakes)
{
    (void)unused;
    (void)wakes;
    is_late = true;
    loop_stop(loop);
}

static void begin_open(struct loop *on, struct letter *letter)
{
    int ends[2];

    (void)on;
    (void)letter;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    watch = (struct watch){ .fd = ends[0], .task = &task };
    must(loop_watch(loop, &watch, false) == 0);
    must(write(ends[0], sent, strlen(sent)) == (ssize_t)strlen(sent));
    control_accept(control, ends[1], getuid());
    timer_set(loop_timers(loop), &guard, loop_now_ms(loop) + GUARD_MS);
}

static void ask(const char *line)
{
    static struct letter first;

    loop = loop_new(1);
    control = control_new(loop, commands, (void *)(uintptr_t) "asked");
    heard_len = 0;
    is_late = false;
    sent = line;
    task_init(&task, hear);
    task_init(&guard_task, guard_run);
    task_init(&later_task, later_end);
    timer_init(&guard, &guard_task);
    timer_init(&later, &later_task);
    first = (struct letter){ .open = begin_open };
    mailbox_post(loop, &first);
    loop_run(loop);
    timer_remove(loop_timers(loop), &guard);
    timer_remove(loop_timers(loop), &later);
    if (watch.fd >= 0) {
        loop_unwatch(loop, &watch);
        (void)close(watch.fd);
    }
    control_free(&control);
    assert_null(control);
    loop_free(&loop);
    pools_drain();
    assert_false(is_late);
}

#define assert_heard(literal) CHECK_TEXT(text_of(heard, heard_len), literal)

/* ---- cases ---- */

static void a_command_sees_its_words(void **state)
{
    (void)state;
    ask("now a \"b c\"\n");
    assert_heard("asked\nword a\nword b c\nok\n");
    ask("now\n");
    assert_heard("asked\nok\n");
}

static void the_longest_name_counts(void **state)
{
    (void)state;
    ask("one two three\n");
    assert_heard("asked\nword three\nok\n");
    ask("one three\n");
    assert_heard("a?b?c\nerror: no luck\n");
}

static void lines_are_lines_whatever_is_said(void **state)
{
    (void)state;
    ask("fail\n");
    assert_heard("a?b?c\nerror: no luck\n");
}

static void a_command_may_answer_later(void **state)
{
    (void)state;
    ask("later\n");
    assert_heard("progress: half\nat last\nok\n");
    assert_null(kept);
}

static void an_answer_without_end_is_cut_at_a_line(void **state)
{
    struct text rest, line, last = TEXT_NONE;
    const char  error[] = "error: the answer is too long";

    (void)state;
    ask("much\n");
    assert_true(heard_len <= CONTROL_ANSWER_MOST);
    assert_true(heard_len > CONTROL_ANSWER_MOST / 2);
    rest = text_of(heard, heard_len - 1);
    while (text_split(&rest, '\n', &line)) {
        assert_true(line.len == 1000 || rest.ptr == NULL || rest.len == 0);
        last = line;
    }
    assert_true(text_is_equal(last, text_from(error)));
}

static void a_command_outlives_who_asked(void **state)
{
    (void)state;
    ask("leave\n");
    assert_null(kept);
}

static void help_lists_the_table(void **state)
{
    (void)state;
    ask("help\n");
    assert_heard("now [word]...\nfail\nlater\nmuch\nleave\nstay\none\none two\nok\n");
}

/* One that is at work when everything ends: for leak checkers. */
static void what_runs_at_the_end_is_freed(void **state)
{
    (void)state;
    ask("stay\n");
    assert_int_equal(heard_len, 0);
}

/* ---- the table alone ---- */

static struct control_line line_of(const char *first, const char *second)
{
    struct control_line line = { .count = second == NULL ? 1 : 2 };

    line.words[0] = text_from(first);
    line.words[1] = text_from(second);
    return line;
}

static const char *found(const char *first, const char *second)
{
    struct control_line           line = line_of(first, second);
    unsigned                      words;
    const struct control_command *command = control_table_find(commands, &line, &words);

    return command == NULL ? NULL : command->name;
}

static const char *nearest(const char *first, const char *second)
{
    struct control_line           line = line_of(first, second);
    const struct control_command *command = control_table_nearest(commands, &line);

    return command == NULL ? NULL : command->name;
}

static void the_table_is_exact(void **state)
{
    (void)state;
    assert_string_equal(found("now", NULL), "now");
    assert_string_equal(found("one", "two"), "one two");
    assert_string_equal(found("one", "tw"), "one");
    assert_null(found("two", NULL));
    assert_null(found("No", NULL));
    assert_null(found("nowx", NULL));
    assert_null(found("one two", NULL));
}

static void the_nearest_has_fewest_typos(void **state)
{
    (void)state;
    assert_string_equal(nearest("lter", NULL), "later");
    assert_string_equal(nearest("leavr", NULL), "leave");
    assert_string_equal(nearest("one", "two"), "one");
    assert_string_equal(nearest("muhc", NULL), "much");
    assert_null(nearest("something", "else"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_sees_its_words),
        cmocka_unit_test(the_longest_name_counts),
        cmocka_unit_test(lines_are_lines_whatever_is_said),
        cmocka_unit_test(a_command_may_answer_later),
        cmocka_unit_test(an_answer_without_end_is_cut_at_a_line),
        cmocka_unit_test(a_command_outlives_who_asked),
        cmocka_unit_test(help_lists_the_table),
        cmocka_unit_test(what_runs_at_the_end_is_freed),
        cmocka_unit_test(the_table_is_exact),
        cmocka_unit_test(the_nearest_has_fewest_typos),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
