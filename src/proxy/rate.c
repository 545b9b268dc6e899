// SPDX-License-Identifier: MIT
/* Rates are templates, so each look evaluates anew: `set $limit_rate` and X-Accel-Limit-Rate may come
 * while an answer is being made. On the exchange's loop. */
#include "proxy/rate.h"

#include "proxy/exchange.h"

/* "10k" at run time; what is no size limits nothing. */
static uint64_t size_of(struct text text)
{
    uint64_t number = 0;
    char     unit = text.len > 0 ? text_lower_char(text.ptr[text.len - 1]) : '0';

    if (unit == 'k' || unit == 'm' || unit == 'g')
        text.len--;
    if (text_to_u64(text, &number) < 0 || number > UINT32_MAX)
        return 0;
    return unit == 'k'   ? number << 10
           : unit == 'm' ? number << 20
           : unit == 'g' ? number << 30
                         : number;
}

static uint64_t size_by(struct exchange *x, const struct template *template)
{
    return template == NULL ? 0 : size_of(template_eval(template, &x->scope));
}

/* The peer's X-Accel-Limit-Rate before `set $limit_rate` before the directive. */
uint64_t rate_to_client(struct exchange *x)
{
    struct text rate = TEXT_NONE;

    if (x->response != NULL && !(x->location->proxy.ignore_headers & IGNORE_ACCEL_LIMIT_RATE))
        rate = fields_value(&x->response->fields, FIELD_X_ACCEL_LIMIT_RATE);
    if (rate.len > 0)
        return size_of(rate);
    return x->set_rate.ptr != NULL ? size_of(x->set_rate) : size_by(x, x->location->limit_rate);
}

uint64_t rate_free_bytes(struct exchange *x)
{
    return size_by(x, x->location->limit_rate_after);
}
