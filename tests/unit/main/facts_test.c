// SPDX-License-Identifier: MIT
/* facts: one tree in two forms, whatever texts are in it. */
#include "base/unit.h"

#include "main/facts.h"

static struct arena *arena;
static struct fact  *root;

static int begin(void **state)
{
    (void)state;
    arena = arena_new();
    root = facts_new(arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct fact *server(struct fact *list, const char *name, uint64_t requests, bool is_timed)
{
    struct fact *item = fact_item(list);

    fact_text(item, "address", text_from(name));
    fact_number(item, "requests", requests);
    fact_maybe(item, "head_ms", is_timed, 7);
    return item;
}

static void fill(void)
{
    struct fact *in = fact_group(root, "connections"), *list;

    fact_number(in, "open_now", 3);
    fact_number(in, "uptime_s", 12);
    fact_nothing(in, "wait_ms");
    (void)fact_list(root, "limits");
    list = fact_list(root, "servers");
    (void)server(list, "127.0.0.1:80", 1000, false);
    (void)server(list, "[::1]:80", 2, true);
    list = fact_list(root, "upstreams");
    (void)fact_list(server(list, "app", 5, true), "names");
}

static void people_see_tables(void **state)
{
    (void)state;
    fill();
    CHECK_TEXT(facts_print(root), "connections:\n"
                                  "  open now: 3\n"
                                  "  uptime: 12 s\n"
                                  "  wait: -\n"
                                  "limits: none\n"
                                  "servers:\n"
                                  "  address       requests  head ms\n"
                                  "  127.0.0.1:80      1000        -\n"
                                  "  [::1]:80             2        7\n"
                                  "upstreams:\n"
                                  "  app\n"
                                  "    requests: 5\n"
                                  "    head: 7 ms\n"
                                  "    names: none\n");
}

static void programs_see_json(void **state)
{
    (void)state;
    fill();
    CHECK_TEXT(facts_print_json(root),
               "{\n"
               "  \"connections\": {\n"
               "    \"open_now\": 3,\n"
               "    \"uptime_s\": 12,\n"
               "    \"wait_ms\": null\n"
               "  },\n"
               "  \"limits\": [],\n"
               "  \"servers\": [\n"
               "    { \"address\": \"127.0.0.1:80\", \"requests\": 1000, \"head_ms\": null },\n"
               "    { \"address\": \"[::1]:80\", \"requests\": 2, \"head_ms\": 7 }\n"
               "  ],\n"
               "  \"upstreams\": [\n"
               "    {\n"
               "      \"address\": \"app\",\n"
               "      \"requests\": 5,\n"
               "      \"head_ms\": 7,\n"
               "      \"names\": []\n"
               "    }\n"
               "  ]\n"
               "}\n");
}

static void any_bytes_are_a_string(void **state)
{
    static const struct { const char *text, *json; } rows[] = {
        { "", "" },
        { "a\"b\\c", "a\\\"b\\\\c" },
        { "\n\x01\x7f", "\\u000a\\u0001\\u007f" },
        { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "\xff", "\\ufffd" },
        { "\xc3", "\\ufffd" },
        { "\xc3(", "\\ufffd(" },
        { "\xc0\x80", "\\ufffd\\ufffd" },            /* longer than need be */
        { "\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd" }, /* half of a pair */
        { "\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd" },
        { "\xe2\x82", "\\ufffd\\ufffd" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        (void)begin(state);
        fact_text(root, "t", text_from(rows[i].text));
        CHECK_TEXT(facts_print_json(root),
                   arena_string(arena, arena_format(arena, "{\n  \"t\": \"%s\"\n}\n", rows[i].json)));
        (void)end(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(people_see_tables, begin, end),
        cmocka_unit_test_setup_teardown(programs_see_json, begin, end),
        cmocka_unit_test(any_bytes_are_a_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
