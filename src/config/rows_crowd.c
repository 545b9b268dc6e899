// SPDX-License-Identifier: MIT
/* What stands in `upstream` about crowds and second tries: `queue`, `retry_budget`. */
#include <stddef.h>

#include "config/http_block.h"
#include "config/values.h"

enum { WAITING_MOST = 1000 * 1000, RETRIES_MOST = 1000 * 1000, PERCENT_MOST = 1000 };

static bool has_value(struct text text, const char *prefix, struct text *ret_value)
{
    if (!text_has_prefix(text, text_from(prefix)))
        return false;
    *ret_value = text_from_offset(text, text_from(prefix).len);
    return true;
}

/* ---- queue ---- */

static void queue_parameter(struct compiler *compiler, const struct word *word,
                            struct upstream *upstream)
{
    struct queue_limits *limits = &upstream->queue;
    struct text          value = TEXT_NONE;
    bool                 is_good = false;

    if (has_value(word->text, "timeout=", &value))
        is_good = value_msec(value, &limits->timeout_ms) == 0;
    else if (has_value(word->text, "target=", &value))
        is_good = value_msec(value, &limits->target_ms) == 0;
    else if (has_value(word->text, "interval=", &value))
        is_good = value_msec(value, &limits->interval_ms) == 0;
    else if (has_value(word->text, "key=", &value) && value.len > 0) {
        upstream->queue_key = text_template(compiler, word, value);
        is_good = true;
    }
    if (!is_good)
        complain_parameter(compiler, word);
}

static void apply_queue(struct compiler *compiler, const struct node *node, void *field)
{
    struct upstream *upstream = compiler->level->upstream;
    uint64_t         most;

    if (value_number(node->args[0].text, WAITING_MOST, &most) < 0 || most == 0) {
        complain(compiler, &node->args[0], "invalid value \"%.*s\" in \"%s\" directive",
                 TEXT_ARGS(node->args[0].text), compiler->row->name);
        return;
    }
    *(struct queue_limits *)field = (struct queue_limits){
        .most = (uint32_t)most, .timeout_ms = 60 * 1000, .target_ms = 50, .interval_ms = 100,
    };
    for (unsigned i = 1; i < node->arg_count; i++)
        queue_parameter(compiler, &node->args[i], upstream);
    if (upstream->queue_key == NULL)
        upstream->queue_key = text_template(compiler, &node->name, TEXT("$host"));
}

/* ---- retry_budget ---- */

static bool parse_percent(struct text text, uint32_t *ret_percent)
{
    uint64_t number;

    if (text.len < 2 || text.ptr[text.len - 1] != '%' ||
        value_number(text_part(text, 0, text.len - 1), PERCENT_MOST, &number) < 0)
        return false;
    *ret_percent = (uint32_t)number;
    return true;
}

static void apply_retry_budget(struct compiler *compiler, const struct node *node, void *field)
{
    struct upstream *upstream = compiler->level->upstream;
    struct text      value;
    uint64_t         least;

    (void)field;
    if (text_is_equal(node->args[0].text, TEXT("off")) && node->arg_count == 1) {
        upstream->retry_percent = RETRY_UNBOUNDED;
        return;
    }
    if (!parse_percent(node->args[0].text, &upstream->retry_percent)) {
        complain(compiler, &node->args[0], "invalid value \"%.*s\" in \"%s\" directive",
                 TEXT_ARGS(node->args[0].text), compiler->row->name)
            ->hint = TEXT("a part of the requests in flight, as \"20%\", or \"off\"");
        return;
    }
    if (node->arg_count < 2)
        return;
    if (has_value(node->args[1].text, "min=", &value) &&
        value_number(value, RETRIES_MOST, &least) == 0)
        upstream->retry_least = (uint32_t)least;
    else
        complain_parameter(compiler, &node->args[1]);
}

static const struct directive rows[] = {
    { "queue", IN_UPSTREAM, 1, 5, 0, apply_queue, FIELD_UPSTREAM(queue),
      "number [timeout=time] [key=value] [target=time] [interval=time]", "",
      "So many requests may wait while all servers have max_conns; see docs/crowd.md." },
    { "retry_budget", IN_UPSTREAM, 1, 2, 0, apply_retry_budget, FIELD_UPSTREAM(retry_percent),
      "percent% [min=number] | off", "20% min=3",
      "How many second tries there may be, of the requests in flight." },
};

const struct directive_rows rows_crowd = DIRECTIVE_ROWS("Crowds and second tries", rows);
