// SPDX-License-Identifier: MIT
/* Configuration files. The input is the main file; lines "==== PATH" begin others that it may
 * include. Nothing is read from the disk. Checked: no configuration without an error is refused and
 * none with one is accepted, and the bundle's encoded form compiles to the same outcome. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "config/bundle.h"
#include "proxy/route.h"

enum { FILES_MOST = 8 };

struct outcome {
    unsigned is_loaded, errors, warnings, servers, slots, files;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct config_options fuzz_options = {
    .prefix = { "/p/", 3 }, .path = { "/c/main", 7 }, .error_log = { "stderr", 6 },
    .globals = { "", 0 },
};

/* Every finding can be printed, whatever the file holds. */
static void print_all(struct arena *arena, const struct diagnoses *diagnoses)
{
    for (const struct diagnosis *at = diagnoses->first; at != NULL; at = at->next) {
        must(diagnosis_line(arena, at).len > 0);
        must(diagnosis_block(arena, at).len > 0);
        must(at->next == NULL || at->order <= at->next->order);
    }
}

static struct outcome load(struct bundle *bundle)
{
    struct arena    *arena = arena_new();
    struct diagnoses diagnoses;
    struct config   *config;
    struct outcome   outcome;

    diagnoses_init(&diagnoses, arena);
    config = config_load(&bundle->source, &bundle->options, &diagnoses);
    outcome = (struct outcome){ .is_loaded = config != NULL,
                                .errors = diagnoses.errors,
                                .warnings = diagnoses.warnings };
    must((outcome.is_loaded == 1) == (diagnoses.errors == 0));
    print_all(arena, &diagnoses);
    if (config != NULL) {
        for (const struct server *at = config->site.servers; at != NULL; at = at->next)
            outcome.servers++;
        outcome.slots = config->site.slot_count;
        outcome.files = config->file_count;
        route_prepare(&config->site);
    }
    config_free(&config);
    arena_free(&arena);
    return outcome;
}

static void add_files(struct bundle *bundle, struct text input)
{
    struct text path = fuzz_options.path;

    for (unsigned i = 0; i < FILES_MOST; i++) {
        size_t      next = text_find_text(input, TEXT("\n==== "));
        struct text name;

        bundle_add_file(bundle, path, text_part(input, 0, next));
        if (next == input.len)
            return;
        input = text_from_offset(input, next + 6);
        if (!text_split(&input, '\n', &name))
            return;
        path = arena_format(bundle->arena, "/c/%.*s", TEXT_ARGS(name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena  *arena = arena_new();
    struct bundle *bundle = bundle_new(&fuzz_options, false), *copy;
    char          *exact = mem_try(len + 1);
    struct outcome first, second;
    struct text    encoded;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    add_files(bundle, text_of(exact, len));
    mem_free(exact);
    first = load(bundle);
    encoded = bundle_encode(bundle, arena);
    must(bundle_decode(encoded, &copy) == 0);
    second = load(copy);
    must(memcmp(&first, &second, sizeof(first)) == 0);
    bundle_free(&copy);
    bundle_free(&bundle);
    arena_free(&arena);
    return 0;
}
