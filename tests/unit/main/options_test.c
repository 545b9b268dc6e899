// SPDX-License-Identifier: MIT
/* options: nginx's letters, values and sentences. */
#include "base/unit.h"

#include <errno.h>

#include "main/options.h"

static struct arena  *arena;
static struct options options;
static struct text    message;

enum { WORDS_MOST = 8 };

static int parse(const char *const words[])
{
    char *argv[WORDS_MOST + 2] = { (char *)"frontdesk" };
    int   argc = 1;

    while (words[argc - 1] != NULL) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
        argc++;
    }
    return options_parse(argc, argv, arena, &options, &message);
}

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })
#define assert_refused(sentence, ...)                       \
    do {                                                    \
        assert_int_equal(PARSE(__VA_ARGS__), -EINVAL);      \
        CHECK_TEXT(message, sentence);                     \
    } while (0)

static int begin(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void letters_choose_the_action(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-t"), 0);
    assert_int_equal(options.action, ACTION_TEST);
    assert_false(options.is_dump);
    assert_int_equal(PARSE("-Tq"), 0);
    assert_int_equal(options.action, ACTION_TEST);
    assert_true(options.is_dump);
    assert_true(options.is_quiet);
    assert_int_equal(PARSE("-v"), 0);
    assert_int_equal(options.action, ACTION_VERSION);
    assert_int_equal(PARSE("-V"), 0);
    assert_int_equal(options.action, ACTION_BUILD);
    assert_int_equal(PARSE("-?"), 0);
    assert_int_equal(options.action, ACTION_HELP);
    assert_int_equal(PARSE("--dump-directives"), 0);
    assert_int_equal(options.action, ACTION_DIRECTIVES);
}

static void values_stand_behind_or_next(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-sreload", "-c", "/a/b.conf", "-g", "daemon off;"), 0);
    assert_int_equal(options.action, ACTION_SIGNAL);
    CHECK_TEXT(options.signal, "reload");
    CHECK_TEXT(options.config.path, "/a/b.conf");
    CHECK_TEXT(options.config.globals, "daemon off;");
    assert_true(options.has_path);
    assert_false(options.has_error_log);
}

static void relative_paths_start_at_the_prefix(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-p", "/srv/desk", "-c", "x.conf", "-e", "logs/e.log"), 0);
    CHECK_TEXT(options.config.prefix, "/srv/desk/");
    CHECK_TEXT(options.config.path, "/srv/desk/x.conf");
    CHECK_TEXT(options.config.error_log, "/srv/desk/logs/e.log");
    assert_int_equal(PARSE("-e", "stderr"), 0);
    CHECK_TEXT(options.config.error_log, "stderr");
    CHECK_TEXT(options.config.path, FRONTDESK_CONF);
    CHECK_TEXT(options.config.prefix, FRONTDESK_PREFIX);
    assert_false(options.has_path);
}

static void what_is_asked_of_the_running_one(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-c", "/a.conf", "cache", "purge", "--soft", "-H", "-c"), 0);
    assert_int_equal(options.action, ACTION_ASK);
    CHECK_TEXT(options.config.path, "/a.conf");
    assert_int_equal(options.asked.count, 5);
    CHECK_TEXT(options.asked.words[0], "cache");
    CHECK_TEXT(options.asked.words[2], "--soft");
    CHECK_TEXT(options.asked.words[4], "-c");
    assert_false(options.is_help);
    assert_int_equal(PARSE("status", "--socket", "/x.sock", "-p", "/srv", "--help"), 0);
    assert_int_equal(options.asked.count, 1);
    CHECK_TEXT(options.socket, "/x.sock");
    CHECK_TEXT(options.config.prefix, "/srv/");
    assert_true(options.is_help);
    assert_int_equal(PARSE("--socket", "/x.sock", "status"), 0);
    CHECK_TEXT(options.socket, "/x.sock");
    assert_refused("option \"--socket\" requires a path", "status", "--socket");
    assert_refused("invalid option: \"statsu\"; did you mean \"status\"?", "statsu");
}

static void sentences_are_those_of_nginx(void **state)
{
    (void)state;
    assert_refused("invalid option: \"x\"", "-x");
    assert_refused("invalid option: \"z\"", "-tz");
    assert_refused("invalid option: \"foo\"", "foo");
    assert_refused("invalid option: \"-s foo\"", "-s", "foo");
    assert_refused("option \"-c\" requires file name", "-c");
    assert_refused("option \"-p\" requires directory name", "-p");
    assert_refused("option \"-g\" requires parameter", "-g");
    assert_refused("option \"-s\" requires parameter", "-s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_choose_the_action),
        cmocka_unit_test(values_stand_behind_or_next),
        cmocka_unit_test(relative_paths_start_at_the_prefix),
        cmocka_unit_test(what_is_asked_of_the_running_one),
        cmocka_unit_test(sentences_are_those_of_nginx),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
