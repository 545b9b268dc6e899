// SPDX-License-Identifier: MIT
/* The health of servers: outlier_ejection. */
#include <stddef.h>

#include "config/http_block.h"
#include "config/values.h"

enum { COUNT_MOST = 1000 * 1000, PERCENT_MOST = 100, EJECTED_MOST = 50 };

/* ---- "name=value" ---- */

/* Takes "name=" off; false: it is another parameter. */
static bool is_parameter(struct text text, const char *name, struct text *ret_value)
{
    struct text prefix = text_from(name);

    if (!text_has_prefix(text, prefix))
        return false;
    *ret_value = text_from_offset(text, prefix.len);
    return true;
}

static bool take_number(struct text value, uint64_t least, uint64_t most, unsigned *field)
{
    uint64_t number;

    if (value_number(value, most, &number) < 0 || number < least)
        return false;
    *field = (unsigned)number;
    return true;
}

static bool take_percent(struct text value, uint64_t least, uint64_t most, unsigned *field)
{
    return value.len > 1 && value.ptr[value.len - 1] == '%' &&
           take_number(text_part(value, 0, value.len - 1), least, most, field);
}

static bool take_length(struct text value, uint32_t *field)
{
    uint32_t ms;

    if (value_msec(value, &ms) < 0 || ms == 0)
        return false;
    *field = ms;
    return true;
}

/* ---- outlier_ejection ---- */

static bool take_ejection(struct text text, struct ejection *ejection)
{
    struct text value;

    if (is_parameter(text, "consecutive=", &value))
        return take_number(value, 0, COUNT_MOST, &ejection->consecutive);
    if (is_parameter(text, "rate=", &value))
        return text_is_equal(value, TEXT("off"))
                   ? (ejection->rate = 0, true)
                   : take_percent(value, 1, PERCENT_MOST - 1, &ejection->rate);
    if (is_parameter(text, "requests=", &value))
        return take_number(value, 1, COUNT_MOST, &ejection->requests);
    if (is_parameter(text, "interval=", &value))
        return take_length(value, &ejection->interval_ms);
    if (is_parameter(text, "base=", &value))
        return take_length(value, &ejection->base_ms);
    if (is_parameter(text, "most=", &value))
        return take_percent(value, 1, EJECTED_MOST, &ejection->most);
    return false;
}

static void apply_ejection(struct compiler *compiler, const struct node *node, void *field)
{
    struct ejection ejection = { .is_on = true, .consecutive = 5, .rate = 30, .requests = 20,
                                 .interval_ms = 10 * 1000, .base_ms = 30 * 1000,
                                 .most = EJECTED_MOST };

    if (node->arg_count == 1 && text_is_equal(node->args[0].text, TEXT("off")))
        return;
    for (unsigned i = 0; i < node->arg_count; i++)
        if (!take_ejection(node->args[i].text, &ejection))
            complain_parameter(compiler, &node->args[i]);
    *(struct ejection *)field = ejection;
}

static const struct directive rows[] = {
    { "outlier_ejection", IN_UPSTREAM, 0, 6, 0, apply_ejection, FIELD_UPSTREAM(ejection),
      "[consecutive=number] [rate=percent% | rate=off] [requests=number] [interval=time] "
      "[base=time] [most=percent%] | off",
      "off",
      "Leaves out whoever answers much worse than the others, twice as long each time; see "
      "docs/health.md." },
};

const struct directive_rows rows_health = DIRECTIVE_ROWS("Health of servers", rows);
