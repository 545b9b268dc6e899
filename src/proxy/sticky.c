// SPDX-License-Identifier: MIT
/* The cookie's attributes are written as nginx writes them: in lower case and in its order. A value
 * that comes from a variable and would end the attribute is left out. */
#include "proxy/sticky.h"

#include "balance/bindings.h"
#include "balance/group.h"
#include "http/cookie.h"
#include "http/date.h"
#include "proxy/expires.h"

#define MAX_EXPIRES INT64_C(2145916555)  /* nginx's "max": 31 Dec 2037 23:55:55 */
#define MAX_AGE INT64_C(315360000)

static struct text first_of(struct exchange *x, const struct sticky_value *values)
{
    for (; values != NULL; values = values->next) {
        struct text value = template_eval(values->value, &x->scope);

        if (value.len > 0)
            return value;
    }
    return TEXT("");
}

/* ---- before the choice ---- */

static struct text bound_by_table(struct exchange *x)
{
    const struct sticky *sticky = &x->upstream->sticky;
    struct identity      identity;

    x->sticky_key = first_of(x, sticky->lookups);
    if (x->sticky_key.len == 0 ||
        !bindings_find(sticky->bindings, x->sticky_key, sticky->timeout_ms, loop_now_ms(x->loop),
                       &identity))
        return TEXT("");
    return arena_copy(x->arena, identity_text(&identity));
}

void sticky_ask(struct exchange *x)
{
    const struct sticky *sticky = &x->upstream->sticky;

    switch (sticky->kind) {
    case STICKY_OFF:
        break;
    case STICKY_COOKIE:
        if (!cookie_find(&x->request->fields, sticky->cookie, &x->ask.bound))
            x->ask.bound = TEXT("");
        break;
    case STICKY_ROUTE:
        x->ask.bound = first_of(x, sticky->lookups);
        break;
    case STICKY_LEARN:
        x->ask.bound = bound_by_table(x);
        break;
    }
}

/* ---- the cookie ---- */

static void write_expires(struct exchange *x, struct writer *writer)
{
    struct text    value = template_eval(x->upstream->sticky.expires, &x->scope);
    struct expires expires;
    int64_t        date = MAX_EXPIRES, age = MAX_AGE;
    char           text[DATE_BYTES];

    if (expires_parse(value, &expires) < 0 || expires.seconds < 0 ||
        (expires.kind != EXPIRES_MAX && expires.kind != EXPIRES_ACCESS))
        return;
    if (expires.kind == EXPIRES_ACCESS) {
        age = expires.seconds;
        date = loop_wall_ms(x->loop) / 1000 + age;
    }
    date_write(date, text);
    writer_format(writer, "; expires=%.*s; max-age=%lld", (int)sizeof(text), text, (long long)age);
}

static void write_attribute(struct exchange *x, struct writer *writer, const char *name,
                            const struct template *template)
{
    struct text value = template != NULL ? template_eval(template, &x->scope) : TEXT("");

    if (value.len == 0 || !field_value_is_valid(value) || text_find(value, ';') < value.len)
        return;
    writer_format(writer, "; %s=%.*s", name, TEXT_ARGS(value));
}

/* What a variable says beside the three words counts as the strictest. */
static void write_samesite(struct exchange *x, struct writer *writer)
{
    static const char *const words[] = { "strict", "lax", "none" };
    struct text              value = template_eval(x->upstream->sticky.samesite, &x->scope);
    const char              *word = words[0];

    if (value.len == 0)
        return;
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (text_is_equal_nocase(value, text_from(words[i])))
            word = words[i];
    writer_format(writer, "; samesite=%s", word);
}

static struct text cookie_make(struct exchange *x, const struct identity *identity)
{
    const struct sticky *sticky = &x->upstream->sticky;
    struct writer        writer = writer_arena(x->arena, 128);

    writer_text(&writer, sticky->cookie);
    writer_char(&writer, '=');
    writer_text(&writer, identity_text(identity));
    if (sticky->expires != NULL)
        write_expires(x, &writer);
    write_attribute(x, &writer, "domain", sticky->domain);
    if (sticky->is_httponly)
        writer_string(&writer, "; httponly");
    if (sticky->is_secure)
        writer_string(&writer, "; secure");
    if (sticky->samesite != NULL)
        write_samesite(x, &writer);
    write_attribute(x, &writer, "path", sticky->path);
    return writer_done(&writer);
}

void sticky_chosen(struct exchange *x)
{
    struct identity identity;

    if (x->upstream->sticky.kind != STICKY_COOKIE)
        return;
    identity = group_identity(x->chosen);
    x->sticky_cookie = cookie_make(x, &identity);
}

/* ---- the table ---- */

void sticky_answered(struct exchange *x, bool is_at_head)
{
    const struct sticky *sticky = &x->upstream->sticky;
    struct identity      identity;
    struct text          key;
    bool                 is_new;

    if (sticky->kind != STICKY_LEARN || sticky->is_at_head != is_at_head || x->response == NULL)
        return;
    key = first_of(x, sticky->creates);
    is_new = key.len > 0;
    if (!is_new)
        key = x->sticky_key;
    if (key.len == 0)
        return;
    identity = group_identity(x->chosen);
    bindings_set(sticky->bindings, key, &identity, is_new, loop_now_ms(x->loop));
}
