// SPDX-License-Identifier: MIT
/* Golden tests: each NAME.conf here is a configuration, a line "----", and what must come of it:
 * the findings as `frontdesk -t` prints them, then, if it compiles, what it means (dump.c).
 *
 * A line "==== PATH" begins another file of the configuration, which `include` finds. A first line
 * "# -g TEXT" is the command line's. CONF_UPDATE=1 writes what
 * came out into the file: read it before you commit it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>

#include "base/mem.h"
#include "config/bundle.h"
#include "dump.h"

enum { FILES_MOST = 16, TESTS_MOST = 512, PATH_BYTES = 4096 };

#define MAIN_PATH "/conf/main.conf"

struct golden {
    char          *path;
    struct arena  *arena;
    struct text    whole, expected;
    struct text    paths[FILES_MOST], texts[FILES_MOST];
    unsigned       count;
    struct config_source  source;
    struct config_options options;
};

/* ---- files ---- */

static struct text read_whole(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long  len;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    len = ftell(file);
    assert_true(len >= 0);
    rewind(file);
    bytes = arena_bytes(arena, (size_t)len + 1);
    assert_int_equal(fread(bytes, 1, (size_t)len, file), len);
    (void)fclose(file);
    return text_of(bytes, (size_t)len);
}

static int source_read(struct config_source *source, struct text path, struct text *ret_text)
{
    struct golden *golden = container_of(source, struct golden, source);

    for (unsigned i = 0; i < golden->count; i++)
        if (text_is_equal(golden->paths[i], path)) {
            *ret_text = golden->texts[i];
            return 0;
        }
    return -ENOENT;
}

/* The sections stand in the order that a directory would be sorted in. */
static int source_glob(struct config_source *source, struct text pattern, struct text **ret_paths,
                       unsigned *ret_count)
{
    struct golden *golden = container_of(source, struct golden, source);
    char          *wanted = arena_string(golden->arena, pattern);

    *ret_paths = ARENA_ARRAY(golden->arena, struct text, FILES_MOST);
    *ret_count = 0;
    for (unsigned i = 0; i < golden->count; i++)
        if (fnmatch(wanted, arena_string(golden->arena, golden->paths[i]), FNM_PATHNAME) == 0)
            (*ret_paths)[(*ret_count)++] = golden->paths[i];
    return 0;
}

/* The world that these tests live in: localhost, and "two.test" with an address of each family. */
static int source_resolve(struct config_source *source, struct text name,
                          const struct address **ret_addresses, unsigned *ret_count)
{
    static struct address addresses[2];
    bool                  is_two = text_is_equal(name, TEXT("two.test"));

    (void)source;
    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 0, &addresses[0]), 0);
    assert_int_equal(address_parse_ip(TEXT("::1"), 0, &addresses[1]), 0);
    *ret_addresses = addresses;
    *ret_count = is_two ? 2 : 1;
    return is_two || text_is_equal(name, TEXT("localhost")) ? 0 : -ENOENT;
}

static void section_add(struct golden *golden, struct text path, struct text text)
{
    assert_true(golden->count < FILES_MOST);
    golden->paths[golden->count] = path;
    golden->texts[golden->count++] = text;
}

static size_t find_line(struct text text, const char *start)
{
    struct text needle = text_from(start);

    for (size_t at = 0; at < text.len; at += text_find(text_from_offset(text, at), '\n') + 1)
        if (text_has_prefix(text_from_offset(text, at), needle))
            return at;
    return text.len;
}

static void golden_split(struct golden *golden)
{
    size_t      bar = find_line(golden->whole, "----\n");
    struct text sources = text_part(golden->whole, 0, bar);
    struct text path = TEXT(MAIN_PATH);

    golden->expected = text_from_offset(golden->whole, bar + 5);
    for (;;) {
        size_t      next = find_line(sources, "==== ");
        struct text head;

        section_add(golden, path, text_part(sources, 0, next));
        if (next == sources.len)
            return;
        sources = text_from_offset(sources, next + 5);
        (void)text_split(&sources, '\n', &head);
        path = text_has_prefix(head, TEXT("/"))
                   ? head
                   : arena_format(golden->arena, "/conf/%.*s", TEXT_ARGS(head));
    }
}

static void golden_options(struct golden *golden)
{
    struct text first = golden->texts[0], line;

    golden->source = (struct config_source){ .read = source_read, .glob = source_glob,
                                             .resolve = source_resolve };
    golden->options = (struct config_options){ .prefix = TEXT("/prefix/"), .path = TEXT(MAIN_PATH),
                                               .error_log = TEXT("/prefix/logs/error.log"),
                                               .globals = TEXT("") };
    if (text_has_prefix(first, TEXT("# -g "))) {
        (void)text_split(&first, '\n', &line);
        golden->options.globals = text_from_offset(line, 5);
    }
}

/* ---- what comes of it ---- */

static struct config *load(struct config_source *source, const struct config_options *options,
                           struct diagnoses *diagnoses)
{
    return config_load(source, options, diagnoses);
}

/* A server and nothing else: what the others are held against. */
static struct config *load_plain(struct golden *golden, struct bundle **ret_bundle)
{
    struct diagnoses diagnoses;
    struct config   *config;

    diagnoses_init(&diagnoses, golden->arena);
    *ret_bundle = bundle_new(&golden->options, false);
    bundle_add_file(*ret_bundle, TEXT(MAIN_PATH), TEXT("server { }"));
    config = load(&(*ret_bundle)->source, &(*ret_bundle)->options, &diagnoses);
    assert_non_null(config);
    return config;
}

static struct text outcome(struct golden *golden)
{
    struct writer    writer = writer_arena(golden->arena, 4096);
    struct diagnoses diagnoses;
    struct config   *config, *plain;
    struct bundle   *bundle;

    diagnoses_init(&diagnoses, golden->arena);
    config = load(&golden->source, &golden->options, &diagnoses);
    for (const struct diagnosis *at = diagnoses.first; at != NULL; at = at->next)
        writer_text(&writer, diagnosis_block(golden->arena, at));
    if (config != NULL) {
        plain = load_plain(golden, &bundle);
        plain->core.pid_path = TEXT("/run/frontdesk.pid");
        writer_text(&writer, dump_config(golden->arena, config, plain));
        config_free(&plain);
        bundle_free(&bundle);
        config_free(&config);
    }
    return writer_done(&writer);
}

static void update(struct golden *golden, struct text got)
{
    size_t      bar = find_line(golden->whole, "----\n");
    struct text sources = text_part(golden->whole, 0, bar);
    FILE       *file = fopen(golden->path, "wb");

    assert_non_null(file);
    (void)fprintf(file, "%.*s%s----\n%.*s", TEXT_ARGS(sources),
                  text_has_suffix(sources, TEXT("\n")) ? "" : "\n", TEXT_ARGS(got));
    (void)fclose(file);
}

static void compare(const struct golden *golden, struct text got)
{
    struct text wanted = golden->expected, got_line, wanted_line;
    unsigned    line = 0;

    if (text_is_equal(got, wanted))
        return;
    for (;;) {
        bool has_got = text_split(&got, '\n', &got_line);
        bool has_wanted = text_split(&wanted, '\n', &wanted_line);

        line++;
        if (has_got && has_wanted && text_is_equal(got_line, wanted_line))
            continue;
        fail_msg("%s: line %u behind \"----\":\n  wanted: %.*s\n  got:    %.*s", golden->path, line,
                 TEXT_ARGS(has_wanted ? wanted_line : TEXT("(end)")),
                 TEXT_ARGS(has_got ? got_line : TEXT("(end)")));
    }
}

static void test_golden(void **state)
{
    struct golden golden = { .path = *state, .arena = arena_new() };
    struct text   got;

    golden.whole = read_whole(golden.arena, golden.path);
    golden_split(&golden);
    golden_options(&golden);
    got = outcome(&golden);
    if (getenv("CONF_UPDATE") != NULL)
        update(&golden, got);
    else
        compare(&golden, got);
    arena_free(&golden.arena);
}

/* ---- finding them ---- */

static int is_conf(const struct dirent *entry)
{
    return text_has_suffix(text_from(entry->d_name), TEXT(".conf"));
}

int main(void)
{
    static struct CMUnitTest tests[TESTS_MOST];
    const char              *folder = getenv("TEST_DIR") == NULL ? "tests/conf" : getenv("TEST_DIR");
    struct arena            *arena = arena_new();
    struct dirent          **entries;
    int                      count = scandir(folder, &entries, is_conf, alphasort), result;

    if (count <= 0 || count > TESTS_MOST) {
        (void)fprintf(stderr, "no golden tests in %s\n", folder);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char *path = arena_string(arena, arena_format(arena, "%s/%s", folder, entries[i]->d_name));

        tests[i] = (struct CMUnitTest){ .name = arena_string(arena, text_from(entries[i]->d_name)),
                                        .test_func = test_golden, .initial_state = path };
        free(entries[i]);
    }
    free(entries);
    result = _cmocka_run_group_tests("conf", tests, (size_t)count, NULL, NULL);
    arena_free(&arena);
    return result;
}
