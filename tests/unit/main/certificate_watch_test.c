// SPDX-License-Identifier: MIT
/* certificate_watch with config/renewal: what counts as a change, when, and what is read anew then. */
#include "base/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/renewal.h"
#include "main/certificate_watch.h"

enum { PERIOD_MS = 2000 };

static char directory[] = "/tmp/certificate_watch.XXXXXX";

struct scene {
    char              conf[64], file[64], other[64];
    struct generation good;
    struct certificate_watch watch;
};

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void place(char path[64], const char *name)
{
    (void)snprintf(path, 64, "%s/%s", directory, name);
}

static struct bundle *compile(struct bundle *bundle, struct config **ret_config)
{
    struct arena    *arena = arena_new();
    struct diagnoses diagnoses;

    diagnoses_init(&diagnoses, arena);
    *ret_config = config_load(&bundle->source, &bundle->options, &diagnoses);
    for (const struct diagnosis *at = diagnoses.first; at != NULL; at = at->next)
        print_message("%.*s\n", TEXT_ARGS(diagnosis_line(arena, at)));
    arena_free(&arena);
    assert_non_null(*ret_config);
    return bundle;
}

/* The list of secrets is plain bytes, so nothing here has to be a certificate. */
static struct scene *begin(const char *watch)
{
    struct scene *scene = mem_new(sizeof(*scene));
    char          text[1024];

    place(scene->conf, "nginx.conf");
    place(scene->file, "ticket.key");
    place(scene->other, "other.key");
    put(scene->file, "123456789012345678901234567890123456789012345678");
    (void)snprintf(text, sizeof(text), "ssl_certificate_watch %s;\nhttp { server { listen 8080; "
                                       "ssl_session_ticket_key ticket.key; } }\n", watch);
    put(scene->conf, text);
    struct config_options options = { .prefix = TEXT("/tmp/"), .path = text_from(scene->conf),
                                      .error_log = TEXT("stderr"), .globals = TEXT("") };

    scene->good.bundle = compile(bundle_new(&options, true), &scene->good.config);
    return scene;
}

static void end(struct scene *scene)
{
    config_free(&scene->good.config);
    bundle_free(&scene->good.bundle);
    (void)unlink(scene->conf);
    (void)unlink(scene->file);
    (void)unlink(scene->other);
    mem_free(scene);
}

static bool look(struct scene *scene, int64_t now_ms)
{
    return certificate_watch_look(&scene->watch, &scene->good, now_ms);
}

static void nothing_new_is_no_reason(void **state)
{
    struct scene *scene = begin("2s");

    (void)state;
    assert_int_equal(scene->good.config->tls_file_count, 1);
    for (int64_t now_ms = 10; now_ms < 10 * PERIOD_MS; now_ms += PERIOD_MS) {
        assert_false(look(scene, now_ms));
        assert_int_equal(certificate_watch_due_ms(&scene->watch, &scene->good), now_ms + PERIOD_MS);
    }
    put(scene->conf, "no configuration at all");
    assert_false(look(scene, 20 * PERIOD_MS));
    assert_false(look(scene, 21 * PERIOD_MS));
    end(scene);
}

static void off_is_never(void **state)
{
    struct scene *scene = begin("off");

    (void)state;
    put(scene->file, "2");
    assert_int_equal(certificate_watch_due_ms(&scene->watch, &scene->good), INT64_MAX);
    assert_false(look(scene, 1000));
    assert_false(look(scene, 10000));
    end(scene);
}

static void a_change_waits_until_it_is_quiet(void **state)
{
    struct scene *scene = begin("2s");

    (void)state;
    assert_false(look(scene, 1000));
    put(scene->file, "1");
    assert_false(look(scene, 2999));                   /* not due */
    assert_false(look(scene, 3000));
    assert_int_equal(certificate_watch_due_ms(&scene->watch, &scene->good),
                     3000 + CERTIFICATE_QUIET_MS);
    put(scene->file, "12");                            /* still busy */
    assert_false(look(scene, 3500));
    assert_true(look(scene, 4000));
    /* Whatever came of it, the same is not tried twice. */
    assert_false(look(scene, 6000));
    assert_false(look(scene, 8000));
    put(scene->file, "123");
    assert_false(look(scene, 10000));
    assert_true(look(scene, 10500));
    end(scene);
}

static void a_file_that_goes_or_is_replaced_is_a_change(void **state)
{
    struct scene *scene = begin("100ms");

    (void)state;
    assert_false(look(scene, 1000));
    (void)unlink(scene->file);
    assert_false(look(scene, 1100));
    assert_true(look(scene, 1200));
    put(scene->other, "1");
    assert_int_equal(rename(scene->other, scene->file), 0);
    assert_false(look(scene, 1300));
    assert_true(look(scene, 1400));
    end(scene);
}

static struct text text_in(struct bundle *bundle, const char *path)
{
    struct text text;

    assert_int_equal(bundle->source.read(&bundle->source, text_from(path), &text), 0);
    return text;
}

static void only_files_of_tls_are_read_anew(void **state)
{
    struct scene  *scene = begin("2s");
    struct config *config;
    struct bundle *renewed;
    struct text    former = text_in(scene->good.bundle, scene->conf);
    uint64_t       stamp = renewal_stamp_of(scene->good.bundle, scene->good.config);

    (void)state;
    assert_true(stamp == renewal_stamp_now(scene->good.bundle, scene->good.config));
    put(scene->conf, "half of what somebody is typing");
    put(scene->file, "12345678901234567890123456789012345678901234567890123456789012345678901234567890");
    renewed = compile(renewal_begin(scene->good.bundle, scene->good.config), &config);
    assert_true(text_is_equal(text_in(renewed, scene->conf), former));
    assert_int_equal(text_in(renewed, scene->file).len, 80);
    assert_true(renewal_stamp_of(renewed, config) != stamp);
    assert_true(renewal_stamp_of(renewed, config) == renewal_stamp_now(renewed, config));
    config_free(&config);
    bundle_free(&renewed);
    end(scene);
}

static int directory_make(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int directory_remove(void **state)
{
    (void)state;
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_new_is_no_reason),
        cmocka_unit_test(off_is_never),
        cmocka_unit_test(a_change_waits_until_it_is_quiet),
        cmocka_unit_test(a_file_that_goes_or_is_replaced_is_a_change),
        cmocka_unit_test(only_files_of_tls_are_read_anew),
    };

    return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
