// SPDX-License-Identifier: MIT
/* Everything that a start would open is opened here too, so that a test that succeeds means
 * something; a port that is taken is forgiven, since the proxy itself may be running. */
#include "main/check.h"

#include <stdio.h>

#include "main/generation.h"

static void ending_say(const struct options *options, const char *ending)
{
    (void)fprintf(stderr, "frontdesk: configuration file %.*s test %s\n",
                  TEXT_ARGS(options->config.path), ending);
}

static void file_dump(struct generation *generation, struct text path)
{
    struct config_source *source = &generation->bundle->source;
    struct text           text;

    if (source->read(source, path, &text) < 0)
        return;
    (void)printf("# configuration file %.*s:\n", TEXT_ARGS(path));
    (void)fwrite(text.ptr, 1, text.len, stdout);
    (void)putchar('\n');
}

static void dump(struct generation *generation)
{
    for (unsigned i = 0; i < generation->config->file_count; i++)
        file_dump(generation, generation->config->files[i]);
    (void)fflush(stdout);
}

static int everything_gather(const struct options *options, const struct report *report,
                             struct generation **ret_generation)
{
    struct gathering gathering = { .options = &options->config, .report = report,
                                   .purpose = LISTENERS_TEST };

    *ret_generation = generation_gather(&gathering);
    return *ret_generation == NULL ? -1 : 0;
}

int check_run(const struct options *options, const struct report *report)
{
    struct generation *generation;

    if (everything_gather(options, report, &generation) < 0) {
        ending_say(options, "failed");
        return 1;
    }
    if (!options->is_quiet) {
        (void)fprintf(stderr, "frontdesk: the configuration file %.*s syntax is ok\n",
                      TEXT_ARGS(options->config.path));
        ending_say(options, "is successful");
    }
    if (options->is_dump)
        dump(generation);
    generation_free(&generation);
    return 0;
}
