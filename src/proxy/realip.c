// SPDX-License-Identifier: MIT
/* A list of addresses is read from its end, since each proxy appends whom it has seen: what stands
 * left of the first address that we don't trust may be anybody's invention. */
#include "proxy/realip.h"

#include <errno.h>
#include <string.h>

#include "proxy/exchange.h"
#include "proxy/preface.h"

enum { V4_BYTES = 4, V6_BYTES = 16, MAPPED_BYTES = 12, PORT_MOST = 65535 };

static const unsigned char mapped_prefix[MAPPED_BYTES] = { [10] = 0xff, [11] = 0xff };

bool realip_is_trusted(const struct trust *trust, const struct address *address)
{
    unsigned             len = 0;
    const unsigned char *bytes = address_bytes(address, &len);

    if (trust == NULL)
        return false;
    if (bytes == NULL)
        return trust->has_unix;
    if (len == V6_BYTES && memcmp(bytes, mapped_prefix, MAPPED_BYTES) == 0) {
        bytes += MAPPED_BYTES;
        len = V4_BYTES;
    }
    return prefix_tree_find(trust->networks, bytes, len) != NULL;
}

/* ---- one element ---- */

static bool is_separator(char c)
{
    return c == ' ' || c == ',';
}

/* Takes the last element, and the separator before it, off *list. */
static struct text take_last(struct text *list)
{
    size_t      end = list->len, start;
    struct text element;

    while (end > 1 && is_separator(list->ptr[end - 1]))
        end--;
    for (start = end; start > 0 && !is_separator(list->ptr[start - 1]); start--)
        continue;
    if (start == 1)
        start = 0;   /* as nginx has it: a list that begins with a separator is none */
    element = text_part(*list, start, end - start);
    *list = text_part(*list, 0, start > 0 ? start - 1 : 0);
    return element;
}

static int parse_port(struct text text, unsigned *ret_port)
{
    uint64_t port;

    if (text_to_u64(text, &port) < 0 || port == 0 || port > PORT_MOST)
        return -EINVAL;
    *ret_port = (unsigned)port;
    return 0;
}

/* "1.2.3.4", "1.2.3.4:567", "2001:db8::1", "[2001:db8::1]:567"; brackets come with a port only. */
static int parse_element(struct text element, struct address *ret_address)
{
    bool        has_brackets = element.len > 0 && element.ptr[0] == '[';
    size_t      end = text_find(element, has_brackets ? ']' : ':'), colon = end + has_brackets;
    struct text host = text_part(element, has_brackets, end - has_brackets);
    unsigned    port = 0;

    if (!has_brackets && address_parse_ip(element, 0, ret_address) == 0)
        return 0;
    if (colon >= element.len || element.ptr[colon] != ':' ||
        parse_port(text_from_offset(element, colon + 1), &port) < 0)
        return -EINVAL;
    return address_parse_ip(host, port, ret_address);
}

/* ---- the list ---- */

enum realip_walk realip_walk(const struct trust *trust, struct text list, bool is_recursive,
                             struct address *address)
{
    enum realip_walk walk = REALIP_NOTHING;
    struct address   next;

    do {
        if (!realip_is_trusted(trust, address) || parse_element(take_last(&list), &next) < 0)
            return walk == REALIP_NOTHING ? REALIP_NOTHING : REALIP_SOME;
        *address = next;
        walk = REALIP_ALL;
    } while (is_recursive && list.len > 0);
    return walk;
}

/* All lines are one list, the last line its end. */
static bool walk_lines(const struct real_ip *rules, const struct fields *fields,
                       struct address *address)
{
    enum realip_walk walk = REALIP_NOTHING;
    bool             has_changed = false;

    for (unsigned i = fields->count; i-- > 0;) {
        const struct field *field = &fields->items[i];

        if (field->is_gone || field->id != FIELD_X_FORWARDED_FOR)
            continue;
        walk = realip_walk(rules->trust, field->value, rules->is_recursive, address);
        has_changed = has_changed || walk != REALIP_NOTHING;
        if (walk != REALIP_ALL || !rules->is_recursive)
            break;
    }
    return has_changed;
}

/* Of any other field nginx takes the first line. */
static bool walk_field(const struct real_ip *rules, const struct fields *fields,
                       struct address *address)
{
    const struct field *field = fields_find_name(fields, rules->field);

    return field != NULL &&
           realip_walk(rules->trust, field->value, rules->is_recursive, address) != REALIP_NOTHING;
}

static bool take_preface(struct exchange *x, const struct real_ip *rules, struct address *address)
{
    const struct preface *preface = exchange_preface(x);

    if (preface == NULL || !realip_is_trusted(rules->trust, address))
        return false;
    *address = address_lengthen(&preface->source);
    return true;
}

static bool find_client(struct exchange *x, const struct real_ip *rules, struct address *address)
{
    const struct fields *fields = &x->request->fields;

    if (rules->is_of_proxy_protocol)
        return take_preface(x, rules, address);
    if (rules->id == FIELD_X_FORWARDED_FOR)
        return walk_lines(rules, fields, address);
    return walk_field(rules, fields, address);
}

static void replace(struct exchange *x, const struct real_ip *rules)
{
    struct address *address = ARENA_NEW(x->arena, struct address);

    *address = *exchange_remote(x);
    if (!find_client(x, rules, address))
        return;
    x->remote = address;
    x->is_remote_replaced = true;
}

void realip_apply(struct exchange *x)
{
    const struct real_ip *rules = &x->location->real_ip;

    if (rules->trust != NULL && !x->is_remote_replaced && x->refusal == FAULT_NONE)
        replace(x, rules);
}
