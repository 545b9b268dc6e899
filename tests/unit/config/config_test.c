// SPDX-License-Identifier: MIT
/* config: what configurations mean at run time, where the golden tests can't look: slots, maps,
 * groups of regular expressions, limits, and large files. */
#include "check.h"

#include <stdlib.h>

#include "base/writer.h"
#include "config/directives_print.h"
#include "config/unsupported.h"

enum { SLOTS_MOST = 32 };

struct run {
    struct arena *arena;
    struct scope  scope;
    struct text   slots[SLOTS_MOST];
};

static void run_begin(struct run *run, struct arena *arena, const struct config *config)
{
    assert_true(config->site.slot_count <= SLOTS_MOST);
    *run = (struct run){ .arena = arena };
    run->scope = (struct scope){ .arena = arena, .slots = run->slots,
                                 .slot_count = config->site.slot_count };
}

/* Runs `set` and gives what `return` returns. */
static struct text run_rewrites(struct run *run, const struct rewrite *at)
{
    for (; at != NULL; at = at->next) {
        struct text value = template_eval(at->value, &run->scope);

        if (at->kind == REWRITE_RETURN)
            return value;
        scope_set_slot(&run->scope, at->slot, value);
    }
    return TEXT_NONE;
}

static void check_return(struct arena *arena, const char *text, const char *wanted)
{
    struct bundle *bundle = bundle_of(text);
    struct config *config = loaded(bundle, arena);
    struct run     run;

    run_begin(&run, arena, config);
    CHECK_TEXT(run_rewrites(&run, config->site.servers->level.rewrites), wanted);
    config_free(&config);
    bundle_free(&bundle);
}

static void test_variables(void **state)
{
    check_return(*state, "server { set $a 1; set $b $a$a; return 200 [$b$A$later]; set $later 2; }",
                 "[111]");
    check_return(*state, "map $x $y { default none; 1 one; } server { set $x 1; return 200 $y; }",
                 "one");
    check_return(*state, "server { set $x Two; return 200 $y; } map $x $y { two 2; }", "2");
    check_return(*state,
                 "map $x $y { ~^(?<head>.)(.+)$ $head-$2; } map $y $z { a-bc yes; } "
                 "server { set $x abc; return 200 $z$head; }",
                 "yesa");
    check_return(*state, "map x $y { default first; } map x $y { default second; } "
                         "server { return 200 $y; }", "second");
    check_return(*state, "map a $y { \\default d; default other; a A; } server { return 200 $y; }", "A");
}

/* A variable of a family can be made; it is then the made one everywhere. */
static void test_made_beats_family(void **state)
{
    check_return(*state, "server { return 200 $http_x; set $http_x 1; }", "");
    check_return(*state, "server { set $http_x 1; return 200 $http_x; }", "1");
}

static void test_captures(void **state)
{
    struct bundle *bundle = bundle_of("server { server_name ~^(?<who>.+)\\.x$; "
                                      "location ~ ^/(?<what>.+)$ { return 200 $who-$what-$1; } }");
    struct config *config = loaded(bundle, *state);
    struct server *server = config->site.servers;
    struct run     run;

    run_begin(&run, *state, config);
    assert_true(regex_match(server->names->regex, TEXT("me.x"), &run.scope));
    assert_true(regex_match(server->level.children->regex, TEXT("/it"), &run.scope));
    CHECK_TEXT(run_rewrites(&run, server->level.children->rewrites), "me-it-it");
    config_free(&config);
    bundle_free(&bundle);
}

static void test_upstreams_are_shared(void **state)
{
    struct bundle *bundle = bundle_of("server { location /a { proxy_pass http://h:81/x; } "
                                      "location /b { proxy_pass http://H:81; } "
                                      "location /c { proxy_pass http://u; } } "
                                      "upstream u { server a; }");
    struct config *config = loaded(bundle, *state);
    struct location *at = config->site.servers->level.children;

    assert_int_equal(config->site.upstream_count, 2);
    assert_ptr_equal(at->proxy.pass->upstream, at->next->proxy.pass->upstream);
    assert_true(at->proxy.pass->upstream->is_implicit);
    assert_ptr_equal(at->next->next->proxy.pass->upstream,
                     map_get(config->site.upstream_names, TEXT("U")));
    assert_null(map_get(config->site.upstream_names, TEXT("h:81")));
    config_free(&config);
    bundle_free(&bundle);
}

static void test_types(void **state)
{
    struct bundle *bundle = bundle_of("server { location / { types { text/x X y; } types { a/b c; } } }");
    struct config *config = loaded(bundle, *state);
    const struct server *server = config->site.servers;
    struct text   *type = map_get(server->level.types, TEXT("html"));

    CHECK_TEXT(*type, "text/html");
    type = map_get(server->level.children->types, TEXT("x"));
    CHECK_TEXT(*type, "text/x");
    type = map_get(server->level.children->types, TEXT("c"));
    CHECK_TEXT(*type, "a/b");
    assert_null(map_get(server->level.children->types, TEXT("html")));
    config_free(&config);
    bundle_free(&bundle);
}

static unsigned errors_of(struct arena *arena, struct text text)
{
    struct bundle   *bundle = bundle_new(&test_options, false);
    struct diagnoses diagnoses;
    struct config   *config;

    bundle_add_file(bundle, test_options.path, text);
    diagnoses_init(&diagnoses, arena);
    config = config_load(&bundle->source, &bundle->options, &diagnoses);
    assert_int_equal(config == NULL, diagnoses.errors > 0);
    config_free(&config);
    bundle_free(&bundle);
    return diagnoses.errors;
}

static void test_no_file(void **state)
{
    struct bundle   *bundle = bundle_new(&test_options, false);
    struct diagnoses diagnoses;

    diagnoses_init(&diagnoses, *state);
    assert_null(config_load(&bundle->source, &test_options, &diagnoses));
    CHECK_TEXT(diagnosis_line(*state, diagnoses.first),
               "open() \"/c/main.conf\" failed (2: No such file or directory)");
    bundle_free(&bundle);
}

static void test_empty_and_zero_bytes(void **state)
{
    assert_int_equal(errors_of(*state, TEXT("")), 0);
    assert_int_equal(errors_of(*state, TEXT("# nothing")), 0);
    assert_int_equal(errors_of(*state, text_of("pid \0x;", 7)), 1);
    assert_int_equal(errors_of(*state, text_of("\0", 1)), 1);
}

static void test_worker_memory(void **state)
{
    static const struct { const char *text; unsigned errors; } rows[] = {
        { "worker_memory off;", 0 },  { "worker_memory 1m;", 0 },     { "worker_memory 1024k;", 0 },
        { "worker_memory 1%;", 0 },   { "worker_memory 100%;", 0 },   { "worker_memory 1023k;", 1 },
        { "worker_memory 0;", 1 },    { "worker_memory 0%;", 1 },     { "worker_memory 101%;", 1 },
        { "worker_memory %;", 1 },    { "worker_memory -1%;", 1 },    { "worker_memory on;", 1 },
        { "worker_memory \"\";", 1 }, { "worker_memory 8m 1%;", 1 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(errors_of(*state, text_from(rows[i].text)), rows[i].errors);
}

/* Ten thousand of everything takes no time to speak of. */
static void test_large(void **state)
{
    struct writer writer = writer_arena(*state, 1 << 20);

    writer_string(&writer, "map $http_x $y { ");
    for (int i = 0; i < 10000; i++)
        writer_format(&writer, "k%d v%d; ", i, i);
    writer_string(&writer, "} ");
    for (int i = 0; i < 2000; i++)
        writer_format(&writer, "server { server_name s%d; location /l%d { proxy_pass http://h%d; } } ",
                      i, i, i);
    writer_string(&writer, "server { ");
    for (int i = 0; i < 5000; i++)
        writer_format(&writer, "location /l%d { return 204; } ", i);
    writer_string(&writer, "}");
    assert_int_equal(errors_of(*state, writer_done(&writer)), 0);
}

static void test_print(void **state)
{
    char  *bytes = NULL;
    size_t len = 0;
    FILE  *file = open_memstream(&bytes, &len);
    struct text printed;

    (void)state;
    directives_print(file);
    (void)fclose(file);
    printed = text_of(bytes, len);
    assert_true(text_find_text(printed, TEXT("| `proxy_pass` | `URL` |")) < printed.len);
    assert_true(text_find_text(printed, TEXT("`gzip_types`")) < printed.len);
    assert_true(text_find_text(printed, TEXT("| `sendfile` |")) < printed.len);
    /* A cell that holds a bar must not end there. */
    assert_true(text_find_text(printed, TEXT("on \\| off")) < printed.len);
    free(bytes);
}

static void test_unsupported_is_sorted(void **state)
{
    (void)state;
    for (unsigned i = 1; unsupported_name(i) != NULL; i++)
        assert_true(text_compare(text_from(unsupported_name(i - 1)),
                                 text_from(unsupported_name(i))) < 0);
    assert_true(unsupported_is_known(TEXT("fastcgi_pass")));
    assert_true(unsupported_is_known(TEXT("content_by_lua_block")));
    assert_false(unsupported_is_known(TEXT("fastcgi_pas")));
    assert_false(unsupported_is_known(TEXT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(test_variables), WITH_ARENA(test_made_beats_family), WITH_ARENA(test_captures),
        WITH_ARENA(test_upstreams_are_shared), WITH_ARENA(test_types), WITH_ARENA(test_no_file),
        WITH_ARENA(test_empty_and_zero_bytes), WITH_ARENA(test_worker_memory),
        WITH_ARENA(test_large), WITH_ARENA(test_print),
        WITH_ARENA(test_unsupported_is_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
