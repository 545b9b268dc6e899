// SPDX-License-Identifier: MIT
/* bundle: what was read from the disk comes back word for word when the disk has changed, through
 * encoding and decoding too; and a bundle that was tampered with is refused. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct corner {
    struct arena *arena;
    char          folder[64];
    struct config_options options;
};

static const char *path_of(struct corner *corner, const char *name)
{
    return arena_string(corner->arena, arena_format(corner->arena, "%s/%s", corner->folder, name));
}

static void put(struct corner *corner, const char *name, const char *text)
{
    FILE *file = fopen(path_of(corner, name), "w");

    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static int corner_set_up(void **state)
{
    static struct corner corner;

    corner = (struct corner){ .arena = arena_new(), .folder = "/tmp/bundle_test.XXXXXX" };
    if (mkdtemp(corner.folder) == NULL)
        return -1;
    corner.options = (struct config_options){
        .prefix = TEXT("/p/"), .path = text_from(path_of(&corner, "main.conf")),
        .error_log = TEXT("stderr"), .globals = TEXT("daemon off;"),
    };
    put(&corner, "main.conf", "include parts/*.conf; include none/*; include one.conf; server { }");
    put(&corner, "one.conf", "worker_processes 3;");
    if (mkdir(path_of(&corner, "parts"), 0700) < 0)
        return -1;
    put(&corner, "parts/b.conf", "server { server_name b; }");
    put(&corner, "parts/a.conf", "server { server_name a; }");
    *state = &corner;
    return 0;
}

static int corner_tear_down(void **state)
{
    static const char *const names[] = { "parts/a.conf", "parts/b.conf", "parts/pipe", "parts",
                                         "main.conf", "one.conf" };
    struct corner *corner = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)remove(path_of(corner, names[i]));
    (void)rmdir(corner->folder);
    arena_free(&corner->arena);
    return 0;
}

#define WITH_CORNER(test) cmocka_unit_test_setup_teardown(test, corner_set_up, corner_tear_down)

static void check_config(struct corner *corner, struct bundle *bundle)
{
    struct config *config = loaded(bundle, corner->arena);

    assert_int_equal(config->core.worker_processes, 3);
    assert_false(config->core.is_daemon);
    CHECK_TEXT(config->site.servers->first_name, "a");
    CHECK_TEXT(config->site.servers->next->first_name, "b");
    assert_int_equal(config->file_count, 4);
    assert_true(text_is_equal(config->files[0], bundle->options.path));
    config_free(&config);
}

static void test_replays(void **state)
{
    struct corner  *corner = *state;
    struct bundle *recorded = bundle_new(&corner->options, true), *replayed;
    struct text    bytes;

    check_config(corner, recorded);
    bundle_add_fd(recorded, "listen", TEXT("0.0.0.0:80"), -1);
    bundle_add_fd(recorded, "log", TEXT("/x"), -1);
    bytes = bundle_encode(recorded, corner->arena);
    put(corner, "main.conf", "broken {");
    (void)remove(path_of(corner, "one.conf"));
    check_config(corner, recorded);

    assert_int_equal(bundle_decode(bytes, &replayed), 0);
    check_config(corner, replayed);
    assert_true(text_is_equal(bundle_encode(replayed, corner->arena), bytes));
    CHECK_TEXT(replayed->fds->name, "0.0.0.0:80");
    CHECK_TEXT(replayed->fds->next->kind, "log");
    assert_int_equal(replayed->fds->fd, -1);
    bundle_free(&replayed);
    bundle_free(&recorded);
    assert_null(recorded);
}

/* Keys and DER are no text: any byte may be in them. */
static void test_replays_bytes(void **state)
{
    struct corner *corner = *state;
    struct bundle *recorded = bundle_new(&corner->options, true), *replayed;
    struct text    path = text_from(path_of(corner, "one.conf")), text;
    char           bytes[256];
    FILE          *file = fopen(path_of(corner, "one.conf"), "w");

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes));
    (void)fclose(file);
    assert_int_equal(recorded->source.read(&recorded->source, path, &text), 0);
    assert_int_equal(bundle_decode(bundle_encode(recorded, corner->arena), &replayed), 0);
    assert_int_equal(replayed->source.read(&replayed->source, path, &text), 0);
    assert_int_equal(text.len, sizeof(bytes));
    assert_memory_equal(text.ptr, bytes, sizeof(bytes));
    bundle_free(&replayed);
    bundle_free(&recorded);
}

/* A name keeps the addresses that it had, through encoding and decoding too; so does its absence. */
static void test_replays_names(void **state)
{
    struct corner        *corner = *state;
    struct bundle        *recorded = bundle_new(&corner->options, true), *replayed;
    const struct address *addresses = NULL, *again = NULL;
    unsigned              count = 0, count_again = 0;
    struct config_source *source = &recorded->source;

    assert_int_equal(source->resolve(source, TEXT("localhost"), &addresses, &count), 0);
    assert_true(count > 0);
    assert_true(source->resolve(source, TEXT("never.invalid"), &again, &count_again) < 0);
    assert_int_equal(bundle_decode(bundle_encode(recorded, corner->arena), &replayed), 0);
    source = &replayed->source;
    assert_int_equal(source->resolve(source, TEXT("localhost"), &again, &count_again), 0);
    assert_int_equal(count_again, count);
    for (unsigned i = 0; i < count; i++)
        assert_true(address_is_equal(&addresses[i], &again[i]));
    assert_true(source->resolve(source, TEXT("never.invalid"), &again, &count_again) < 0);
    assert_int_equal(source->resolve(source, TEXT("asked.never"), &again, &count_again), -ENOENT);
    bundle_free(&replayed);
    bundle_free(&recorded);
}

static int read_path(struct bundle *bundle, struct text path)
{
    struct text text;

    return bundle->source.read(&bundle->source, path, &text);
}

static void test_reads_plain_files_only(void **state)
{
    struct corner  *corner = *state;
    struct bundle *bundle = bundle_new(&corner->options, true);
    struct text    text;

    assert_int_equal(read_path(bundle, text_from(path_of(corner, "missing"))), -ENOENT);
    assert_int_equal(read_path(bundle, text_from(path_of(corner, "parts"))), -EISDIR);
    assert_int_equal(mkfifo(path_of(corner, "parts/pipe"), 0600), 0);
    assert_true(read_path(bundle, text_from(path_of(corner, "parts/pipe"))) < 0);
    assert_true(read_path(bundle, TEXT("/dev/zero")) < 0);
    assert_int_equal(bundle->source.read(&bundle->source, TEXT("/dev/null"), &text), 0);
    assert_int_equal(text.len, 0);
    /* Errors are part of the record. */
    put(corner, "missing", "now it is there");
    assert_int_equal(read_path(bundle, text_from(path_of(corner, "missing"))), -ENOENT);
    (void)remove(path_of(corner, "missing"));
    bundle_free(&bundle);
}

static void test_replay_reads_no_disk(void **state)
{
    struct corner  *corner = *state;
    struct bundle *bundle = bundle_new(&corner->options, false);
    struct text   *paths;
    unsigned       count;

    assert_int_equal(read_path(bundle, corner->options.path), -ENOENT);
    assert_int_equal(bundle->source.glob(&bundle->source, TEXT("/*"), &paths, &count), -ENOENT);
    bundle_free(&bundle);
}

static void test_too_large(void **state)
{
    struct corner  *corner = *state;
    struct bundle *bundle = bundle_new(&corner->options, true);

    assert_int_equal(truncate(path_of(corner, "one.conf"), 16 * 1024 * 1024 + 1), 0);
    assert_int_equal(read_path(bundle, text_from(path_of(corner, "one.conf"))), -EFBIG);
    bundle_free(&bundle);
}

static void test_descriptors(void **state)
{
    struct corner  *corner = *state;
    struct bundle *bundle = bundle_new(&corner->options, false);
    int            ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    bundle_add_fd(bundle, "log", TEXT("/a"), ends[0]);
    bundle_add_fd(bundle, "log", TEXT("/b"), ends[1]);
    assert_int_equal(bundle_fd(bundle, "log", TEXT("/a")), ends[0]);
    assert_int_equal(bundle_fd(bundle, "listen", TEXT("/a")), -1);
    assert_int_equal(bundle_take_fd(bundle, "log", TEXT("/a")), ends[0]);
    assert_int_equal(bundle_take_fd(bundle, "log", TEXT("/a")), -1);
    bundle_free(&bundle);
    /* The one that was taken is still open, the other one is not. */
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), -1);
}

/* Each byte cut off or changed: refused or understood, never a crash. */
static void test_malformed(void **state)
{
    struct corner  *corner = *state;
    struct bundle *bundle = bundle_new(&corner->options, true), *decoded;
    struct text    bytes;

    check_config(corner, bundle);
    bytes = bundle_encode(bundle, corner->arena);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(bundle_decode(text_part(bytes, 0, len), &decoded), -EINVAL);
    for (size_t i = 0; i < bytes.len; i++) {
        struct text copy = arena_copy(corner->arena, bytes);

        ((char *)copy.ptr)[i] ^= 1;
        if (bundle_decode(copy, &decoded) == 0)
            bundle_free(&decoded);
    }
    bundle_free(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CORNER(test_replays), WITH_CORNER(test_replays_bytes),
        WITH_CORNER(test_replays_names),   WITH_CORNER(test_reads_plain_files_only),
        WITH_CORNER(test_too_large), WITH_CORNER(test_replay_reads_no_disk),
        WITH_CORNER(test_descriptors), WITH_CORNER(test_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
