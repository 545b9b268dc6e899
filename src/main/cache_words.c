// SPDX-License-Identifier: MIT
/* Options and the one target may stand in any order. */
#include "main/cache_words.h"

#include <errno.h>

struct reader {
    const struct text *words;
    unsigned           count, at;
    struct arena      *arena;
    struct cache_wish *wish;
    struct text       *message;
};

static int say(const struct reader *reader, struct text message)
{
    *reader->message = message;
    return -EINVAL;
}

static int value_read(struct reader *reader, struct text option, struct text *ret_value)
{
    if (reader->at == reader->count || reader->words[reader->at].len == 0)
        return say(reader,
                   arena_format(reader->arena, "\"%.*s\" requires a value", TEXT_ARGS(option)));
    *ret_value = reader->words[reader->at++];
    return 0;
}

static int target_set(const struct reader *reader, enum cache_target target, struct text value)
{
    if (reader->wish->target != CACHE_NOTHING)
        return say(reader, arena_format(reader->arena, "one target is enough: \"%.*s\" is another",
                                        TEXT_ARGS(value)));
    reader->wish->target = target;
    reader->wish->value = value;
    return 0;
}

/* A "*" at the end makes a prefix of it. */
static int text_set(const struct reader *reader, enum cache_target whole, enum cache_target prefix,
                    struct text value)
{
    if (!text_has_suffix(value, TEXT("*")))
        return target_set(reader, whole, value);
    return target_set(reader, prefix, text_part(value, 0, value.len - 1));
}

static int url_read(const struct reader *reader, struct text word)
{
    struct text rest = TEXT_NONE;

    if (text_has_prefix_nocase(word, TEXT("http://")))
        rest = text_from_offset(word, sizeof("http://") - 1);
    else if (text_has_prefix_nocase(word, TEXT("https://")))
        rest = text_from_offset(word, sizeof("https://") - 1);
    if (rest.len == 0 || text_find(rest, '/') == 0)
        return say(reader,
                   arena_format(reader->arena,
                                "\"%.*s\" is no URL: it begins with http://HOST or https://HOST",
                                TEXT_ARGS(word)));
    if (text_find(word, '#') < word.len)
        return say(reader, arena_format(reader->arena, "\"%.*s\": servers never see a fragment (#)",
                                        TEXT_ARGS(word)));
    return text_set(reader, CACHE_URL, CACHE_URL_PREFIX, word);
}

static bool is_token(struct text name)
{
    static const struct text others = TEXT("!#$%&'*+-.^_`|~");

    for (size_t i = 0; i < name.len; i++) {
        char c = text_lower_char(name.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) &&
            text_find(others, c) == others.len)
            return false;
    }
    return name.len > 0;
}

static int field_read(struct reader *reader, struct text option)
{
    struct cache_wish *wish = reader->wish;
    struct text        word, name;
    size_t             colon;

    if (value_read(reader, option, &word) < 0)
        return -EINVAL;
    colon = text_find(word, ':');
    name = text_part(word, 0, colon);
    if (colon == word.len || !is_token(name))
        return say(reader, arena_format(reader->arena, "\"%.*s\" is no field: Name: value",
                                        TEXT_ARGS(word)));
    if (wish->field_count == CACHE_FIELDS_MOST)
        return say(reader, TEXT("too many fields"));
    wish->fields[wish->field_count++] =
        (struct cache_field){ .name = name, .value = text_trim(text_from_offset(word, colon + 1)) };
    return 0;
}

/* ---- options ---- */

static int zone_read(struct reader *reader, struct text option)
{
    return value_read(reader, option, &reader->wish->zone);
}

static int soft_read(struct reader *reader, struct text option)
{
    (void)option;
    reader->wish->is_soft = true;
    return 0;
}

static int tag_read(struct reader *reader, struct text option)
{
    struct text value;

    return value_read(reader, option, &value) < 0 ? -EINVAL : target_set(reader, CACHE_TAG, value);
}

static int host_read(struct reader *reader, struct text option)
{
    struct text value;

    return value_read(reader, option, &value) < 0 ? -EINVAL : target_set(reader, CACHE_HOST, value);
}

static int key_read(struct reader *reader, struct text option)
{
    struct text value;

    return value_read(reader, option, &value) < 0
               ? -EINVAL
               : text_set(reader, CACHE_KEY, CACHE_KEY_PREFIX, value);
}

static int all_read(struct reader *reader, struct text option)
{
    return target_set(reader, CACHE_ALL, option);
}

enum { FOR_PURGE = 1u << CACHE_PURGE, FOR_SHOW = 1u << CACHE_SHOW, FOR_STAT = 1u << CACHE_STAT };

static const struct option {
    const char *name;
    unsigned    verbs;
    int       (*read)(struct reader *reader, struct text option);
} options[] = {
    { "--zone", FOR_PURGE | FOR_SHOW | FOR_STAT, zone_read },
    { "--soft", FOR_PURGE, soft_read },
    { "--tag", FOR_PURGE, tag_read },
    { "--host", FOR_PURGE, host_read },
    { "--key", FOR_PURGE | FOR_SHOW, key_read },
    { "--all", FOR_PURGE, all_read },
    { "-H", FOR_SHOW, field_read },
};

static int unknown_say(const struct reader *reader, struct text word)
{
    enum { TYPOS_MOST = 2 };
    const char *nearest = NULL;
    unsigned    least = TYPOS_MOST + 1;

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        unsigned typos = text_distance(text_from(options[i].name), word, TYPOS_MOST);

        if ((options[i].verbs & (1u << reader->wish->verb)) == 0 || typos >= least)
            continue;
        least = typos;
        nearest = options[i].name;
    }
    if (nearest == NULL)
        return say(reader, arena_format(reader->arena, "unknown option \"%.*s\"", TEXT_ARGS(word)));
    return say(reader, arena_format(reader->arena, "unknown option \"%.*s\"; did you mean \"%s\"?",
                                    TEXT_ARGS(word), nearest));
}

static int word_read(struct reader *reader, struct text word)
{
    if (!text_has_prefix(word, TEXT("-")))
        return reader->wish->verb == CACHE_STAT
                   ? say(reader,
                         arena_format(reader->arena, "\"%.*s\" is too much here", TEXT_ARGS(word)))
                   : url_read(reader, word);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if ((options[i].verbs & (1u << reader->wish->verb)) != 0 &&
            text_is_equal(text_from(options[i].name), word))
            return options[i].read(reader, word);
    return unknown_say(reader, word);
}

static int wish_check(const struct reader *reader)
{
    const struct cache_wish *wish = reader->wish;
    bool is_prefix = wish->target == CACHE_URL_PREFIX || wish->target == CACHE_KEY_PREFIX;

    if (wish->verb == CACHE_PURGE && wish->target == CACHE_NOTHING)
        return say(reader, TEXT("purge what? A URL, 'PREFIX*', --tag, --host, --key or --all"));
    if (wish->verb == CACHE_SHOW && wish->target == CACHE_NOTHING)
        return say(reader, TEXT("show what? A URL or --key"));
    if (wish->verb == CACHE_SHOW && is_prefix)
        return say(reader, TEXT("one URL can be shown, no prefix"));
    return 0;
}

int cache_words_read(enum cache_verb verb, const struct text *words, unsigned count,
                     struct arena *arena, struct cache_wish *ret_wish, struct text *reterr_message)
{
    struct reader reader = { .words = words, .count = count, .arena = arena, .wish = ret_wish,
                             .message = reterr_message };

    *ret_wish = (struct cache_wish){ .verb = verb };
    while (reader.at < count) {
        struct text word = words[reader.at++];

        if (word_read(&reader, word) < 0)
            return -EINVAL;
    }
    return wish_check(&reader);
}
