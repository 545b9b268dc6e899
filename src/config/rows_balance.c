// SPDX-License-Identifier: MIT
/* The methods of an upstream: how a server is chosen. The last one counts, as in nginx, which warns
 * then; it also warns of one behind `keepalive`, which it forgets in that case (we keep both). */
#include <stddef.h>

#include "config/values.h"

enum { PERCENT = 100, BOUND_DIGITS = 2, BOUND_MOST = 1000 };

/* ---- which ---- */

static bool has_stood_before(const struct level *level, const void *field)
{
    for (unsigned i = 0; i < level->touched_count; i++)
        if (level->touched[i] == field)
            return true;
    return false;
}

static void method_set(struct compiler *compiler, const struct node *node, void *field,
                       struct balance balance)
{
    const struct level *level = compiler->level;

    if (!compiler->is_first || has_stood_before(level, &level->upstream->keepalive) ||
        has_stood_before(level, &level->upstream->sticky))
        warn(compiler, &node->name, "load balancing method redefined");
    *(struct balance *)field = balance;
}

static void apply_least_conn(struct compiler *compiler, const struct node *node, void *field)
{
    method_set(compiler, node, field, (struct balance){ .method = BALANCE_LEAST_CONN });
}

static void apply_ip_hash(struct compiler *compiler, const struct node *node, void *field)
{
    method_set(compiler, node, field, (struct balance){ .method = BALANCE_IP_HASH });
}

/* ---- least_time, random ---- */

static void apply_least_time(struct compiler *compiler, const struct node *node, void *field)
{
    struct balance balance = { .method = BALANCE_LEAST_TIME, .is_timed = true };

    if (text_is_equal(node->args[0].text, TEXT("last_byte"))) {
        balance.is_whole = true;
    } else if (!text_is_equal(node->args[0].text, TEXT("header"))) {
        complain_parameter(compiler, &node->args[0]);
        return;
    }
    if (node->arg_count == 2 && !text_is_equal(node->args[1].text, TEXT("inflight"))) {
        complain_parameter(compiler, &node->args[1]);
        return;
    }
    balance.has_inflight = node->arg_count == 2;
    method_set(compiler, node, field, balance);
}

static bool better_of_two(struct text text, struct balance *balance)
{
    balance->is_whole = text_is_equal(text, TEXT("least_time=last_byte"));
    balance->is_timed = balance->is_whole || text_is_equal(text, TEXT("least_time")) ||
                        text_is_equal(text, TEXT("least_time=header"));
    return balance->is_timed || text_is_equal(text, TEXT("least_conn"));
}

static void apply_random(struct compiler *compiler, const struct node *node, void *field)
{
    struct balance balance = { .method = BALANCE_RANDOM, .has_two = node->arg_count > 0 };

    if (balance.has_two && !text_is_equal(node->args[0].text, TEXT("two")))
        complain_parameter(compiler, &node->args[0]);
    else if (node->arg_count == 2 && !better_of_two(node->args[1].text, &balance))
        complain_parameter(compiler, &node->args[1]);
    else
        method_set(compiler, node, field, balance);
}

/* ---- hash ---- */

/* "1.25" is 125; at least 1 (nobody could take anything) and at most BOUND_MOST. */
static bool parse_bound(struct text text, uint32_t *ret_percent)
{
    size_t      dot = text_find(text, '.');
    struct text fraction = text_from_offset(text, dot + 1);
    uint64_t    whole, parts = 0;

    if (value_number(text_part(text, 0, dot), BOUND_MOST, &whole) < 0 ||
        fraction.len > BOUND_DIGITS ||
        (dot < text.len && value_number(fraction, PERCENT, &parts) < 0))
        return false;
    if (fraction.len == 1)
        parts *= 10;
    *ret_percent = (uint32_t)(whole * PERCENT + parts);
    return *ret_percent >= PERCENT && *ret_percent <= BOUND_MOST * PERCENT;
}

static bool take_bound(struct text text, struct balance *balance)
{
    return balance->is_consistent && text_has_prefix(text, TEXT("bounded=")) &&
           parse_bound(text_from_offset(text, sizeof("bounded=") - 1), &balance->bound_percent);
}

static void apply_hash(struct compiler *compiler, const struct node *node, void *field)
{
    struct balance balance = { .method = BALANCE_HASH };

    balance.key = word_template(compiler, &node->args[0]);
    balance.is_consistent =
        node->arg_count > 1 && text_is_equal(node->args[1].text, TEXT("consistent"));
    if (node->arg_count > 1 && !balance.is_consistent)
        complain_parameter(compiler, &node->args[1]);
    else if (node->arg_count > 2 && !take_bound(node->args[2].text, &balance))
        complain_parameter(compiler, &node->args[2]);
    else
        method_set(compiler, node, field, balance);
}

static const struct directive rows[] = {
    { "least_conn", IN_UPSTREAM, 0, 0, IS_LIST, apply_least_conn, FIELD_UPSTREAM(balance), "", "",
      "The server with the fewest requests per weight is next." },
    { "least_time", IN_UPSTREAM, 1, 2, IS_LIST, apply_least_time, FIELD_UPSTREAM(balance),
      "header | last_byte [inflight]", "",
      "The server that answers soonest, by its requests in flight and weight, is next." },
    { "random", IN_UPSTREAM, 0, 2, IS_LIST, apply_random, FIELD_UPSTREAM(balance),
      "[two [least_conn | least_time[=header|last_byte]]]", "",
      "A server drawn by lot, or the better of two, is next." },
    { "hash", IN_UPSTREAM, 1, 3, IS_LIST, apply_hash, FIELD_UPSTREAM(balance),
      "key [consistent [bounded=factor]]", "",
      "The same key goes to the same server, as with nginx; bounded=1.25 passes over a server with "
      "more than 1.25 times its share." },
    { "ip_hash", IN_UPSTREAM, 0, 0, IS_LIST, apply_ip_hash, FIELD_UPSTREAM(balance), "", "",
      "The same client network goes to the same server, as with nginx." },
};

const struct directive_rows rows_balance = DIRECTIVE_ROWS("Balancing methods", rows);
