// SPDX-License-Identifier: MIT
/* A row per command. */
#include "main/control_commands.h"

#include <unistd.h>

#include "main/cache_control.h"

static bool has_no_words(struct control_request *request)
{
    if (request->word_count == 0)
        return true;
    control_fail(request, "\"%s\" takes no more words", request->command->name);
    return false;
}

static void version_run(struct control_request *request)
{
    if (!has_no_words(request))
        return;
    control_say(request, "frontdesk/" FRONTDESK_VERSION);
    control_end(request);
}

static void status_run(struct control_request *request)
{
    const struct serving *serving = request->asked_of;
    int64_t               now_ms = loop_now_ms(serving->control);

    if (!has_no_words(request))
        return;
    control_say(request, "version: frontdesk/" FRONTDESK_VERSION);
    control_say(request, "worker process: %d", (int)getpid());
    control_say(request, "uptime: %lld s", (long long)(now_ms - serving->started_ms) / 1000);
    control_say(request, "event loops: %u", serving->runners->count);
    control_say(request, "configuration: number %u, in force for %lld s", serving->edition->number,
                (long long)(now_ms - serving->adopted_ms) / 1000);
    control_say(request, "configurations in use: %u", *serving->editions);
    control_end(request);
}

const struct control_command control_commands[] = {
    { "cache purge", "[--zone NAME] [--soft] URL | PREFIX* | --tag TAG | --host HOST | --key KEY | --all",
      cache_control_purge },
    { "cache show", "[--zone NAME] URL | --key KEY [-H FIELD]...", cache_control_show },
    { "cache stat", "[--zone NAME]", cache_control_stat },
    { "status", "", status_run },
    { "version", "", version_run },
    { NULL, NULL, NULL },
};
