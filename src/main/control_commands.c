// SPDX-License-Identifier: MIT
/* A row per command. */
#include "main/control_commands.h"

#include "main/cache_control.h"
#include "main/status.h"

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

const struct control_command control_commands[] = {
    { "cache purge", "[--zone NAME] [--soft] URL | PREFIX* | --tag TAG | --host HOST | --key KEY | --all",
      cache_control_purge },
    { "cache show", "[--zone NAME] URL | --key KEY [-H FIELD]...", cache_control_show },
    { "cache stat", "[--zone NAME]", cache_control_stat },
    { "status", "[--json]", status_run },
    { "version", "", version_run },
    { NULL, NULL, NULL },
};
