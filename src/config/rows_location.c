// SPDX-License-Identifier: MIT
/* `location`, and the connection's and the request body's policies. */
#include <stddef.h>

#include "base/map.h"
#include "config/http_block.h"
#include "config/values.h"

/* ---- location ---- */

/* What its arguments say. */
struct location_head {
    enum location_kind kind;
    struct text        name;
    bool               is_nocase;
    const struct word *word;
};

static bool head_of_two(struct compiler *compiler, const struct node *node,
                        struct location_head *head)
{
    static const struct { const char *modifier; enum location_kind kind; bool is_nocase; } rows[] = {
        { "=", LOCATION_EXACT, false },
        { "^~", LOCATION_PREFIX_FINAL, false },
        { "~", LOCATION_REGEX, false },
        { "~*", LOCATION_REGEX, true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (text_is_equal(node->args[0].text, text_from(rows[i].modifier))) {
            *head = (struct location_head){ .kind = rows[i].kind,
                                            .name = node->args[1].text,
                                            .is_nocase = rows[i].is_nocase,
                                            .word = &node->args[1] };
            return true;
        }
    complain(compiler, &node->args[0], "invalid location modifier \"%.*s\"",
             TEXT_ARGS(node->args[0].text))
        ->hint = TEXT("one of = ^~ ~ ~*");
    return false;
}

/* "location =/x", "location ~\.php$": the modifier may touch the name. */
static void head_of_one(const struct node *node, struct location_head *head)
{
    struct text text = node->args[0].text;

    *head = (struct location_head){ .kind = LOCATION_PREFIX, .name = text, .word = &node->args[0] };
    if (text_has_prefix(text, TEXT("@"))) {
        head->kind = LOCATION_NAMED;
    } else if (text_has_prefix(text, TEXT("="))) {
        head->kind = LOCATION_EXACT;
        head->name = text_from_offset(text, 1);
    } else if (text_has_prefix(text, TEXT("^~"))) {
        head->kind = LOCATION_PREFIX_FINAL;
        head->name = text_from_offset(text, 2);
    } else if (text_has_prefix(text, TEXT("~"))) {
        head->kind = LOCATION_REGEX;
        head->is_nocase = text_has_prefix(text, TEXT("~*"));
        head->name = text_from_offset(text, head->is_nocase ? 2 : 1);
    }
}

/* Within an outer location only what it could match makes sense. */
static bool may_be_inside(struct compiler *compiler, const struct location *outer,
                          const struct location_head *head)
{
    if (outer->kind == LOCATION_SERVER)
        return true;
    if (outer->kind == LOCATION_EXACT || outer->kind == LOCATION_NAMED)
        complain(compiler, head->word,
                 "location \"%.*s\" cannot be inside the %s location \"%.*s\"",
                 TEXT_ARGS(head->name), outer->kind == LOCATION_EXACT ? "exact" : "named",
                 TEXT_ARGS(outer->name));
    else if (head->kind == LOCATION_NAMED)
        complain(compiler, head->word, "named location \"%.*s\" can be on the server level only",
                 TEXT_ARGS(head->name));
    else if (head->kind != LOCATION_REGEX && !text_has_prefix(head->name, outer->name))
        complain(compiler, head->word, "location \"%.*s\" is outside location \"%.*s\"",
                 TEXT_ARGS(head->name), TEXT_ARGS(outer->name));
    else
        return true;
    return false;
}

/* "/x" and "= /x" may both be there; regular expressions may repeat. */
static bool is_new(struct compiler *compiler, struct level *level, struct location *location,
                   const struct location_head *head)
{
    struct text key = location->name;

    if (location->kind == LOCATION_REGEX)
        return true;
    if (location->kind == LOCATION_EXACT)
        key = arena_format(compiler->arena, "=%.*s", TEXT_ARGS(location->name));
    if (location->kind == LOCATION_NAMED) {
        /* nginx takes the first one without a word. */
        if (!map_add(compiler->level->server->named, key, location))
            warn(compiler, head->word, "duplicate location \"%.*s\", ignored", TEXT_ARGS(key));
        return true;
    }
    if (map_add(level->location_names, key, location))
        return true;
    complain(compiler, head->word, "duplicate location \"%.*s\"", TEXT_ARGS(location->name));
    return false;
}

/* A copy of what it stands in, without what is not inherited. */
static struct location *location_new(struct compiler *compiler, const struct location_head *head,
                                     const struct node *node)
{
    struct location *location = ARENA_NEW(compiler->arena, struct location);

    *location = *compiler->level->location;
    location->next = location->children = NULL;
    location->kind = head->kind;
    location->name = arena_copy(compiler->arena, head->name);
    location->regex = NULL;
    location->place = node_place(node);
    location->rewrites = NULL;
    location->is_internal = location->is_stub_status = false;
    location->proxy.pass = NULL;
    if (head->kind == LOCATION_REGEX)
        location->regex = word_regex(compiler, head->word, location->name, head->is_nocase);
    return location;
}

static void location_link(struct level *level, struct location *location)
{
    if (location->kind == LOCATION_NAMED)
        return;
    *level->children_end = location;
    level->children_end = &location->next;
}

static void apply_location(struct compiler *compiler, const struct node *node, void *field)
{
    struct level        *outer = compiler->level, level;
    struct location_head head;
    struct location     *location;

    (void)field;
    if (node->arg_count == 1)
        head_of_one(node, &head);
    else if (!head_of_two(compiler, node, &head))
        return;
    location = location_new(compiler, &head, node);
    if (may_be_inside(compiler, outer->location, &head) &&
        is_new(compiler, outer, location, &head) &&
        (location->kind != LOCATION_REGEX || location->regex != NULL))
        location_link(outer, location);
    level_enter(compiler, &level, IN_LOCATION, node);
    level.location = location;
    level.children_end = &location->children;
    block_compile(compiler, node->children);
    location_take_grpc(compiler);
    level_leave(compiler);
}

/* ---- policies ---- */

static void apply_keepalive_timeout(struct compiler *compiler, const struct node *node, void *field)
{
    struct location *location = compiler->level->location;
    uint64_t         seconds = 0;

    if (node->arg_count == 2 &&
        (value_sec(node->args[1].text, &seconds) < 0 || seconds > INT32_MAX)) {
        complain_value(compiler, &node->args[1]);
        return;
    }
    apply_msec(compiler, node, field);
    location->keepalive_header_s = (uint32_t)seconds;
}

/* `256`, `1k after=10s`, `0`. */
static void apply_body_min_rate(struct compiler *compiler, const struct node *node, void *field)
{
    struct location *location = compiler->level->location;
    struct text      after = TEXT("after=");
    uint32_t         after_ms = 0;
    uint64_t         rate;

    if (value_size(node->args[0].text, &rate) < 0 || rate >= BODY_RATE_UNSAID) {
        complain_value(compiler, &node->args[0]);
        return;
    }
    if (node->arg_count == 2) {
        if (!text_has_prefix(node->args[1].text, after) ||
            value_msec(text_from_offset(node->args[1].text, after.len), &after_ms) < 0 ||
            after_ms == 0) {
            complain_parameter(compiler, &node->args[1]);
            return;
        }
    }
    *(uint32_t *)field = (uint32_t)rate;
    location->body_rate_after_ms = after_ms;
}

static void apply_lingering_close(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = {
        { "on", LINGERING_ON }, { "off", LINGERING_OFF }, { "always", LINGERING_ALWAYS },
    };
    unsigned value;

    if (WORD_CHOICE(compiler, &node->args[0], choices, &value))
        *(enum lingering *)field = (enum lingering)value;
}

/* A rate: a size, or a value with variables that is read per request. "0": off. */
static void apply_rate(struct compiler *compiler, const struct node *node, void *field)
{
    const struct template **template = field;
    uint64_t                bytes = 0;

    if (text_has_variables(node->args[0].text)) {
        *template = word_template(compiler, &node->args[0]);
        return;
    }
    if (value_size(node->args[0].text, &bytes) < 0) {
        complain_value(compiler, &node->args[0]);
        return;
    }
    *template = bytes == 0 ? NULL
                           : template_literal(compiler->arena, arena_format(compiler->arena, "%ju",
                                                                            (uintmax_t)bytes));
}

static const struct directive rows[] = {
    { "location", IN_SERVER | IN_LOCATION, 1, 2, IS_BLOCK | IS_CHILD | IS_LIST, apply_location,
      FIELD_NONE, "[= | ^~ | ~ | ~*] uri { ... } | @name { ... }", "",
      "What is done with requests of some paths." },
    { "internal", IN_LOCATION, 0, 0, 0, apply_true, FIELD_LOCATION(is_internal), "", "",
      "Only for internal redirects; others get 404." },
    { "client_max_body_size", EVERYWHERE, 1, 1, 0, apply_size, FIELD_LOCATION(body_max), "size",
      "1m", "Largest body of a request, else 413; 0: no limit." },
    { "client_body_buffer_size", EVERYWHERE, 1, 1, 0, apply_size32, FIELD_LOCATION(body_buffer),
      "size", "8k", "How much of a request's body is gathered before an upstream is asked." },
    { "client_body_timeout", EVERYWHERE, 1, 1, 0, apply_msec, FIELD_LOCATION(body_timeout_ms),
      "time", "60s", "Longest pause between two reads of a request's body; then 408." },
    { "client_body_min_rate", EVERYWHERE, 1, 2, 0, apply_body_min_rate, FIELD_LOCATION(body_rate),
      "size [after=time]", "256",
      "Least bytes per second of a request's body, then 408; a client may stay behind for `after`, "
      "which is `client_body_timeout` and at least 30s unless it is said. 0: any rate, as is the "
      "default with `proxy_request_buffering off`. (Not nginx's.)" },
    { "send_timeout", EVERYWHERE, 1, 1, 0, apply_msec, FIELD_LOCATION(send_timeout_ms), "time",
      "60s", "Longest pause between two writes to the client." },
    { "limit_rate", EVERYWHERE, 1, 1, 0, apply_rate, FIELD_LOCATION(limit_rate), "rate", "0",
      "Bytes per second of a response to the client; 0: no limit." },
    { "limit_rate_after", EVERYWHERE, 1, 1, 0, apply_rate, FIELD_LOCATION(limit_rate_after),
      "size", "0", "What is sent before `limit_rate` begins." },
    { "keepalive_timeout", EVERYWHERE, 1, 2, 0, apply_keepalive_timeout,
      FIELD_LOCATION(keepalive_timeout_ms), "timeout [header_timeout]", "75s",
      "How long an idle connection of a client stays open; 0: no keep-alive." },
    { "keepalive_requests", EVERYWHERE, 1, 1, 0, apply_number, FIELD_LOCATION(keepalive_requests),
      "number", "1000", "Most requests of one connection of a client." },
    { "keepalive_time", EVERYWHERE, 1, 1, 0, apply_msec, FIELD_LOCATION(keepalive_time_ms), "time",
      "1h", "Longest life of a client's connection with keep-alive." },
    { "lingering_close", EVERYWHERE, 1, 1, 0, apply_lingering_close, FIELD_LOCATION(lingering),
      "off | on | always", "on", "How a connection with unread bytes is closed." },
    { "lingering_time", EVERYWHERE, 1, 1, 0, apply_msec, FIELD_LOCATION(lingering_time_ms), "time",
      "30s", "Longest time that bytes are read and dropped before a close." },
    { "lingering_timeout", EVERYWHERE, 1, 1, 0, apply_msec, FIELD_LOCATION(lingering_timeout_ms),
      "time", "5s", "Longest wait for more of them." },
    { "tcp_nodelay", EVERYWHERE, 1, 1, 0, apply_flag, FIELD_LOCATION(has_nodelay), "on | off", "on",
      "Small pieces are sent at once (TCP_NODELAY)." },
    { "reset_timedout_connection", EVERYWHERE, 1, 1, 0, apply_flag,
      FIELD_LOCATION(is_reset_on_timeout), "on | off", "off",
      "A connection that timed out is reset instead of closed." },
};

const struct directive_rows rows_location = DIRECTIVE_ROWS("Locations", rows);
