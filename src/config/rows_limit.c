// SPDX-License-Identifier: MIT
/* `limit_req` and `limit_conn`: zones, and who asks them. Messages are nginx's, but for the place that
 * it does not name when a zone is missing. */
#include <stddef.h>

#include "config/values.h"

enum {
    PAGE_BYTES = 4096,
    ZONE_PAGES_LEAST = 8,
    CONNS_MOST = 65535,
    STATUS_LEAST = 400,
    STATUS_MOST = 599
};

/* ---- zones ---- */

static struct limit_zone *zone_find(const struct compiler *compiler, struct text name)
{
    struct limit_zone *zone = compiler->config->site.limit_zones;

    while (zone != NULL && !text_is_equal(zone->name, name))
        zone = zone->next;
    return zone;
}

/* "zone=name:size" */
static bool zone_word(struct compiler *compiler, const struct word *word, struct limit_zone *zone)
{
    struct text value = text_from_offset(word->text, sizeof("zone=") - 1);
    size_t      colon = text_find(value, ':');

    if (colon == value.len || value_size(text_from_offset(value, colon + 1), &zone->bytes) < 0) {
        complain(compiler, word, "invalid zone size \"%.*s\"", TEXT_ARGS(word->text));
        return false;
    }
    if (zone->bytes < ZONE_PAGES_LEAST * PAGE_BYTES) {
        complain(compiler, word, "zone \"%.*s\" is too small", TEXT_ARGS(word->text))->hint =
            TEXT("at least 32k");
        return false;
    }
    zone->name = arena_copy(compiler->arena, text_part(value, 0, colon));
    return true;
}

/* "rate=10r/s", "rate=30r/m"; without a unit it is per second, as nginx reads it. */
static bool rate_word(struct compiler *compiler, const struct word *word, struct limit_zone *zone)
{
    struct text value = text_from_offset(word->text, sizeof("rate=") - 1);
    uint64_t    number, seconds = text_has_suffix(value, TEXT("r/m")) ? 60 : 1;

    if (seconds == 60 || text_has_suffix(value, TEXT("r/s")))
        value = text_part(value, 0, value.len - 3);
    if (value_number(value, INT32_MAX, &number) < 0 || number == 0) {
        complain(compiler, word, "invalid rate \"%.*s\"", TEXT_ARGS(word->text))->hint =
            TEXT("requests per second or minute, like 10r/s or 30r/m");
        return false;
    }
    zone->rate = number * 1000 / seconds;
    return true;
}

static bool zone_words(struct compiler *compiler, const struct node *node, struct limit_zone *zone)
{
    for (unsigned i = 1; i < node->arg_count; i++) {
        const struct word *word = &node->args[i];

        if (text_has_prefix(word->text, TEXT("zone="))) {
            if (!zone_word(compiler, word, zone))
                return false;
        } else if (zone->kind == LIMIT_REQUESTS && text_has_prefix(word->text, TEXT("rate="))) {
            if (!rate_word(compiler, word, zone))
                return false;
        } else if (zone->kind == LIMIT_REQUESTS && text_is_equal(word->text, TEXT("sync"))) {
            continue;                    /* there is no cluster to keep in step with (NGINX Plus) */
        } else {
            complain_parameter(compiler, word);
            return false;
        }
    }
    if (zone->name.len > 0)
        return true;
    complain(compiler, &node->name, "\"%s\" must have \"zone\" parameter", compiler->row->name);
    return false;
}

/* True: nobody has that name yet. */
static bool is_new(struct compiler *compiler, const struct node *node,
                   const struct limit_zone *zone)
{
    const struct limit_zone *former = zone_find(compiler, zone->name);

    if (former == NULL)
        return true;
    if (former->kind != zone->kind)
        complain(compiler, &node->args[1],
                 "the shared memory zone \"%.*s\" is already declared for a different use",
                 TEXT_ARGS(zone->name));
    else if (former->bytes != zone->bytes)
        complain(compiler, &node->args[1],
                 "the size %llu of shared memory zone \"%.*s\" conflicts with already declared "
                 "size %llu",
                 (unsigned long long)zone->bytes, TEXT_ARGS(zone->name),
                 (unsigned long long)former->bytes);
    else
        complain(compiler, &node->args[1], "%s \"%.*s\" is already bound to key \"%.*s\"",
                 compiler->row->name, TEXT_ARGS(zone->name),
                 TEXT_ARGS(template_source(former->key)));
    return false;
}

static void zone_apply(struct compiler *compiler, const struct node *node, enum limit_kind kind)
{
    struct limit_zone *zone = ARENA_NEW(compiler->arena, struct limit_zone);
    struct limit_zone **end = &compiler->config->site.limit_zones;

    zone->kind = kind;
    zone->rate = 1000;
    zone->key = word_template(compiler, &node->args[0]);
    if (!zone_words(compiler, node, zone) || !is_new(compiler, node, zone))
        return;
    while (*end != NULL)
        end = &(*end)->next;
    *end = zone;
}

static void apply_req_zone(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    zone_apply(compiler, node, LIMIT_REQUESTS);
}

static void apply_conn_zone(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    zone_apply(compiler, node, LIMIT_CONNS);
}

/* ---- limits ---- */

/* NULL after a complaint. */
static struct limit_zone *zone_named(struct compiler *compiler, const struct word *word,
                                     struct text name, enum limit_kind kind)
{
    struct limit_zone *zone = zone_find(compiler, name);

    if (zone != NULL && zone->kind == kind)
        return zone;
    if (zone == NULL)
        complain(compiler, word, "zero size shared memory zone \"%.*s\"", TEXT_ARGS(name))->hint =
            text_from(kind == LIMIT_REQUESTS ? "no limit_req_zone has this name"
                                             : "no limit_conn_zone has this name");
    else
        complain(compiler, word,
                 "the shared memory zone \"%.*s\" is already declared for a different use",
                 TEXT_ARGS(name));
    return NULL;
}

static void complain_twice(struct compiler *compiler, const struct node *node)
{
    complain(compiler, &node->name, "\"%s\" directive is duplicate", compiler->row->name);
}

/* "burst=5" or "delay=5": thousandths. */
static bool thousandths(struct compiler *compiler, const struct word *word, const char *what,
                        uint64_t *ret_number)
{
    struct text value = text_from_offset(word->text, sizeof("burst=") - 1);
    uint64_t    number;

    if (value_number(value, INT32_MAX, &number) < 0 || number == 0) {
        complain(compiler, word, "invalid %s value \"%.*s\"", what, TEXT_ARGS(word->text));
        return false;
    }
    *ret_number = number * 1000;
    return true;
}

static bool req_word(struct compiler *compiler, const struct word *word, struct limit_req *limit)
{
    struct text text = word->text;

    if (text_has_prefix(text, TEXT("zone="))) {
        limit->zone =
            zone_named(compiler, word, text_from_offset(text, sizeof("zone=") - 1), LIMIT_REQUESTS);
        return limit->zone != NULL;
    }
    if (text_has_prefix(text, TEXT("burst=")))
        return thousandths(compiler, word, "burst", &limit->burst);
    if (text_has_prefix(text, TEXT("delay=")))
        return thousandths(compiler, word, "delay", &limit->delay);
    if (text_is_equal(text, TEXT("nodelay"))) {
        limit->delay = UINT64_MAX;
        return true;
    }
    complain_parameter(compiler, word);
    return false;
}

static void apply_limit_req(struct compiler *compiler, const struct node *node, void *field)
{
    struct limit_req *limit = ARENA_NEW(compiler->arena, struct limit_req), **end = field;

    if (compiler->is_first)
        *end = NULL;
    for (unsigned i = 0; i < node->arg_count; i++)
        if (!req_word(compiler, &node->args[i], limit))
            return;
    if (limit->zone == NULL) {
        complain(compiler, &node->name, "\"limit_req\" must have \"zone\" parameter");
        return;
    }
    for (; *end != NULL; end = &(*end)->next)
        if ((*end)->zone == limit->zone) {
            complain_twice(compiler, node);
            return;
        }
    *end = limit;
}

static void apply_limit_conn(struct compiler *compiler, const struct node *node, void *field)
{
    struct limit_conn *limit = ARENA_NEW(compiler->arena, struct limit_conn), **end = field;
    const struct word *word = &node->args[1];
    uint64_t           number;

    if (compiler->is_first)
        *end = NULL;
    limit->zone = zone_named(compiler, &node->args[0], node->args[0].text, LIMIT_CONNS);
    if (limit->zone == NULL)
        return;
    for (; *end != NULL; end = &(*end)->next)
        if ((*end)->zone == limit->zone) {
            complain_twice(compiler, node);
            return;
        }
    if (value_number(word->text, INT64_MAX, &number) < 0 || number == 0) {
        complain(compiler, word, "invalid number of connections \"%.*s\"", TEXT_ARGS(word->text));
        return;
    }
    if (number > CONNS_MOST) {
        complain(compiler, word, "connection limit must be less %d", CONNS_MOST + 1);
        return;
    }
    limit->most = (uint32_t)number;
    *end = limit;
}

static void apply_limit_status(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t number;

    if (value_number(node->args[0].text, INT32_MAX, &number) < 0)
        complain_number(compiler, &node->args[0]);
    else if (number < STATUS_LEAST || number > STATUS_MOST)
        complain(compiler, &node->args[0], "value must be between %d and %d", STATUS_LEAST,
                 STATUS_MOST);
    else
        *(unsigned *)field = (unsigned)number;
}

static void apply_limit_level(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = {
        { "info", LOG_INFO }, { "notice", LOG_NOTICE }, { "warn", LOG_WARN }, { "error", LOG_ERROR },
    };
    unsigned value;

    if (WORD_CHOICE(compiler, &node->args[0], choices, &value))
        *(enum log_level *)field = (enum log_level)value;
}

static const struct directive rows[] = {
    { "limit_req_zone", IN_HTTP, 3, 4, IS_EARLY | IS_LIST, apply_req_zone, FIELD_NONE,
      "key zone=name:size rate=rate [sync]", "",
      "Memory for the rates of requests per key, and the rate: `10r/s` or `30r/m`. A request whose "
      "key is empty is not limited. `sync` has no effect." },
    { "limit_req", EVERYWHERE, 1, 3, IS_LIST, apply_limit_req, FIELD_LOCATION(limit_reqs),
      "zone=name [burst=number] [nodelay | delay=number]", "",
      "Requests beyond the zone's rate wait for their turn, at most `burst` of them (and none when "
      "`nodelay`); the others are refused." },
    { "limit_req_status", EVERYWHERE, 1, 1, 0, apply_limit_status,
      FIELD_LOCATION(limit_req_status), "code", "503", "What `limit_req` refuses with." },
    { "limit_req_log_level", EVERYWHERE, 1, 1, 0, apply_limit_level, FIELD_LOCATION(limit_req_log),
      "info | notice | warn | error", "error",
      "The level of refusals in the error log; delays are one level lower." },
    { "limit_req_dry_run", EVERYWHERE, 1, 1, 0, apply_flag, FIELD_LOCATION(is_limit_req_dry),
      "on | off", "off", "Counts and logs, but neither delays nor refuses." },
    { "limit_conn_zone", IN_HTTP, 2, 2, IS_EARLY | IS_LIST, apply_conn_zone, FIELD_NONE,
      "key zone=name:size", "",
      "Memory for the number of requests under way per key. A request whose key is empty is not "
      "counted." },
    { "limit_conn", EVERYWHERE, 2, 2, IS_LIST, apply_limit_conn, FIELD_LOCATION(limit_conns),
      "zone number", "", "Most requests of one key that may be under way." },
    { "limit_conn_status", EVERYWHERE, 1, 1, 0, apply_limit_status,
      FIELD_LOCATION(limit_conn_status), "code", "503", "What `limit_conn` refuses with." },
    { "limit_conn_log_level", EVERYWHERE, 1, 1, 0, apply_limit_level,
      FIELD_LOCATION(limit_conn_log), "info | notice | warn | error", "error",
      "The level of refusals in the error log." },
    { "limit_conn_dry_run", EVERYWHERE, 1, 1, 0, apply_flag, FIELD_LOCATION(is_limit_conn_dry),
      "on | off", "off", "Counts and logs, but does not refuse." },
};

const struct directive_rows rows_limit = DIRECTIVE_ROWS("Limits", rows);
