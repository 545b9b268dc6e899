// SPDX-License-Identifier: MIT
/* tls_files: how much may be read, and how much variables may match, on both sides of each limit; what is
 * read is no part of what -T prints. */
#include "check.h"

#include <string.h>

#include "base/mem.h"
#include "config/tls_files.h"

/* A disk of one configuration, and of files all alike. */
struct disk {
    struct config_source source;
    struct text          main, file;
    unsigned             count;          /* that any pattern matches */
    struct text         *paths;
};

static int disk_read(struct config_source *source, struct text path, struct text *ret_text)
{
    struct disk *disk = container_of(source, struct disk, source);

    *ret_text = text_is_equal(path, test_options.path) ? disk->main : disk->file;
    return 0;
}

static int disk_glob(struct config_source *source, struct text pattern, struct text **ret_paths,
                     unsigned *ret_count)
{
    struct disk *disk = container_of(source, struct disk, source);

    (void)pattern;
    *ret_paths = disk->paths;
    *ret_count = disk->count;
    return 0;
}

static struct disk disk_of(struct arena *arena, const char *main, size_t bytes, unsigned count)
{
    struct disk disk = { .source = { .read = disk_read, .glob = disk_glob },
                         .main = text_from(main), .count = count };
    char       *file = arena_bytes(arena, bytes);

    memset(file, 'x', bytes);
    disk.file = text_of(file, bytes);
    disk.paths = ARENA_ARRAY(arena, struct text, count);
    for (unsigned i = 0; i < count; i++)
        disk.paths[i] = arena_format(arena, "/c/%u.pem", i);
    return disk;
}

/* "": fine; else the first complaint. */
static struct text outcome(struct arena *arena, struct disk *disk)
{
    struct diagnoses diagnoses;
    struct config   *config;

    diagnoses_init(&diagnoses, arena);
    config = config_load(&disk->source, &test_options, &diagnoses);
    if (config == NULL)
        return diagnosis_line(arena, diagnoses.first);
    assert_int_equal(config->file_count, 1);
    config_free(&config);
    return TEXT("");
}

static void test_size(void **state)
{
    const char *main = "server { ssl_password_file words; }";
    struct disk fits = disk_of(*state, main, TLS_FILE_MOST, 0);
    struct disk large = disk_of(*state, main, TLS_FILE_MOST + 1, 0);

    CHECK_TEXT(outcome(*state, &fits), "");
    CHECK_TEXT(outcome(*state, &large),
               "open() \"/c/words\" failed (27: File too large) in /c/main.conf:1");
}

static const char variables[] = "server { ssl_certificate x/$host.pem; ssl_certificate_key x/$host.pem; }"
                                "server { server_name b; ssl_certificate y/$host.pem; ssl_certificate_key x/$host.key; }";

static void test_count(void **state)
{
    struct disk fits = disk_of(*state, variables, 10, TLS_CANDIDATES_MOST);
    struct disk many = disk_of(*state, variables, 10, TLS_CANDIDATES_MOST + 1);

    CHECK_TEXT(outcome(*state, &fits), "");
    CHECK_TEXT(outcome(*state, &many), "too many files for \"x/$host.pem\" in /c/main.conf:1");
}

/* The first of many ends it. */
static void test_large_candidates(void **state)
{
    struct disk large = disk_of(*state, variables, TLS_FILE_MOST + 1, 3);

    CHECK_TEXT(outcome(*state, &large), "cannot load certificate \"/c/0.pem\": BIO_new_file() failed "
                                        "(27: File too large) in /c/main.conf:1");
}

static void test_bytes(void **state)
{
    unsigned    most = TLS_CANDIDATES_BYTES / TLS_FILE_MOST;
    struct disk fits = disk_of(*state, variables, TLS_FILE_MOST, most);
    struct disk many = disk_of(*state, variables, TLS_FILE_MOST, most + 1);

    CHECK_TEXT(outcome(*state, &fits), "");
    CHECK_TEXT(outcome(*state, &many), "too many files for \"x/$host.pem\" in /c/main.conf:1");
}

int main(void)
{
    const struct CMUnitTest tests[] = { WITH_ARENA(test_size), WITH_ARENA(test_count),
                                        WITH_ARENA(test_bytes), WITH_ARENA(test_large_candidates) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
