// SPDX-License-Identifier: MIT
/* The worker reads the same words again with the same functions. */
#include "main/cache_command.h"

#include <errno.h>
#include <stdio.h>

#include "main/cache_words.h"

static const struct {
    const char     *name;
    enum cache_verb verb;
} verbs[] = {
    { "purge", CACHE_PURGE }, { "show", CACHE_SHOW }, { "stat", CACHE_STAT },
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]), TYPOS_MOST = 2 };

void cache_command_help(void)
{
    (void)fputs(
        "Usage: frontdesk [-c filename] cache purge [--zone NAME] [--soft] TARGET\n"
        "       frontdesk [-c filename] cache show [--zone NAME] URL [-H 'Name: value']...\n"
        "       frontdesk [-c filename] cache stat [--zone NAME]\n"
        "\n"
        "purge takes out of the caches (of all zones, or of one):\n"
        "  URL           : what is stored for http://HOST/PATH?QUERY, all its variants\n"
        "  'PREFIX*'     : whatever URL begins so; works in the background, ends when it is done\n"
        "  --tag TAG     : whatever its server marked so (proxy_cache_tag)\n"
        "  --host HOST   : whatever was asked of that host\n"
        "  --key KEY     : by key, as proxy_cache_key makes it; 'KEY*' for those that begin so\n"
        "  --all         : everything\n"
        "  --soft        : it becomes stale instead: served while it is fetched anew, where that is\n"
        "                  allowed\n"
        "show lists the stored variants of a URL or --key: age, lifetime, size, where; with -H\n"
        "  the one that a request with these fields would get is marked.\n"
        "stat tells how full the zones are and how often they had the answer.\n"
        "\n"
        "  --socket PATH : where the running frontdesk listens, instead of what the configuration\n"
        "                  says (control_socket; beside the pid file by default)\n",
        stdout);
}

static int say(struct text *message, struct text sentence)
{
    *message = sentence;
    return -EINVAL;
}

static int unknown_say(struct arena *arena, struct text word, struct text *message)
{
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (text_distance(text_from(verbs[i].name), word, TYPOS_MOST) <= TYPOS_MOST)
            return say(message, arena_format(arena, "unknown \"cache %.*s\"; did you mean \"%s\"?",
                                             TEXT_ARGS(word), verbs[i].name));
    return say(message,
               arena_format(arena, "unknown \"cache %.*s\"; there are purge, show and stat",
                                     TEXT_ARGS(word)));
}

int cache_command_check(const struct control_line *asked, struct arena *arena,
                        struct text *reterr_message)
{
    struct cache_wish wish;

    if (asked->count < 2)
        return say(reterr_message, TEXT("cache what? purge, show or stat"));
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (text_is_equal(text_from(verbs[i].name), asked->words[1]))
            return cache_words_read(verbs[i].verb, asked->words + 2, asked->count - 2, arena, &wish,
                                    reterr_message);
    return unknown_say(arena, asked->words[1], reterr_message);
}
