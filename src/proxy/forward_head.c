// SPDX-License-Identifier: MIT
/* The request as the peer gets it: what the configuration sets, then what the client sent and may
 * travel on.
 *
 * Framing, Connection and Upgrade are facts of the head, never fields: a proxy_set_header of those
 * names is read for what it means. Runs once per try, on the exchange's loop; x->request is only
 * read. */
#include "proxy/forward_head.h"

#include <string.h>

#include "base/writer.h"
#include "http/uri.h"
#include "proxy/caching.h"
#include "proxy/exchange.h"
#include "proxy/hop.h"
#include "proxy/secure.h"
#include "proxy/trailers.h"

enum { SPARE_FIELDS = 8 };

#define BIT(id) (UINT64_C(1) << FIELD_##id)
/* What asks for less than the whole: not when it is to be stored. */
#define OF_PARTS                                                                             \
    (BIT(RANGE) | BIT(IF_RANGE) | BIT(IF_NONE_MATCH) | BIT(IF_MODIFIED_SINCE) | BIT(IF_MATCH) \
     | BIT(IF_UNMODIFIED_SINCE))

_Static_assert(FIELD_ID_COUNT <= 64, "struct overrides has 64 bits");

/* Which fields proxy_set_header names, and what it says of the connection. */
struct overrides {
    uint64_t    ids;                     /* by enum field_id */
    bool        has_others;              /* some name has no number */
    struct text connection, upgrade;
};

static void set_facts(struct exchange *x, struct head *head);
static void set_body(struct exchange *x, struct head *head);
static void add_set_headers(struct exchange *x, struct head *head, struct overrides *overrides);
static void add_early(const struct exchange *x, struct head *head);
static void add_client_fields(const struct exchange *x, struct head *head,
                              const struct fields *fields, const struct overrides *overrides);
static void set_connection(struct exchange *x, struct head *head,
                           const struct overrides *overrides);

struct head *forward_head_build(struct exchange *x)
{
    struct head     *head = ARENA_NEW(x->arena, struct head);
    struct overrides overrides = { .ids = 0 };
    struct fields    fields;

    if (!hop_fields(x->request, x->arena, &fields)) {
        x->fault = FAULT_BAD_CONNECTION;
        return NULL;
    }
    fields_init(&head->fields, x->arena, fields.count + SPARE_FIELDS);
    set_facts(x, head);
    set_body(x, head);
    add_set_headers(x, head, &overrides);
    /* Nothing of a request that was refused travels on, not even to a server of error pages. */
    if (x->location->proxy.is_passing_headers && x->refusal == FAULT_NONE)
        add_client_fields(x, head, &fields, &overrides);
    add_early(x, head);
    trailers_announce_request(x, head);
    if (caching_wants_whole(x))
        caching_add_conditions(x, head);
    set_connection(x, head, &overrides);
    return head;
}

/* ---- start line and body ---- */

static void set_facts(struct exchange *x, struct head *head)
{
    const struct proxy_policy *policy = &x->location->proxy;

    head->method = x->request->method;
    head->method_name = x->request->method_name;
    if (caching_wants_whole(x) && x->caching->is_head_as_get) {
        head->method = METHOD_GET;
        head->method_name = TEXT("GET");
    }
    if (policy->method != NULL) {
        head->method_name = template_eval(policy->method, &x->scope);
        head->method = method_of(head->method_name);
    }
    head->target = forward_target(x);
    head->path = head->target;
    head->version = policy->http_version;
    if (head->version > connector_version(&x->connector))
        head->version = connector_version(&x->connector);
}

static void set_body(struct exchange *x, struct head *head)
{
    const struct proxy_policy *policy = &x->location->proxy;

    if (policy->body != NULL) {
        head->body = BODY_SIZED;
        head->length = forward_body(x).len;
    } else if (policy->is_passing_body) {
        head->body = x->request->body;
        head->length = x->request->length;
    }
}

struct text forward_body(struct exchange *x)
{
    const struct template *body = x->location->proxy.body;

    return body == NULL ? TEXT_NONE : template_eval(body, &x->scope);
}

/* ---- target ---- */

/* `set $args` and internal redirects give the exchange another query than the client's. */
static bool is_query_unchanged(const struct exchange *x)
{
    struct text path = x->request->path;

    if (x->query.len > 0)
        return x->query.ptr + x->query.len == path.ptr + path.len;
    return x->has_query || text_find(path, '?') == path.len;
}

/* Has nothing changed the path and query since the client sent them? */
static bool is_target_unchanged(const struct exchange *x)
{
    struct uri_parts parts;
    struct text      path;

    if (!is_query_unchanged(x))
        return false;
    if (!x->is_internal)
        return true;
    parts = uri_split(x->request->path);
    return uri_normalise(x->arena, parts.path, x->server->may_merge_slashes, &path) == 0 &&
           text_is_equal(path, x->path);
}

/* nginx escapes a path only when the client's was escaped too, or when it comes from elsewhere. */
static struct text escaped(const struct exchange *x, struct text path)
{
    struct text sent = uri_split(x->request->path).path;
    bool        was_escaped = text_find(sent, '%') < sent.len;

    return was_escaped || x->is_internal ? uri_escape_path(x->arena, path) : path;
}

static struct text with_query(const struct exchange *x, struct text prefix, struct text path)
{
    struct writer writer = writer_arena(x->arena, prefix.len + path.len + x->query.len + 1);

    writer_text(&writer, prefix);
    writer_text(&writer, path);
    if (x->query.len > 0) {
        writer_char(&writer, '?');
        writer_text(&writer, x->query);
    }
    return writer_done(&writer);
}

struct text forward_target(struct exchange *x)
{
    const struct pass *pass = x->location->proxy.pass;
    struct text        name = x->location->name, path = x->path;

    if (x->has_upstream_uri)
        return x->upstream_uri;
    if (pass->has_uri) {
        if (x->location->kind != LOCATION_NAMED && text_has_prefix(path, name))
            path = text_from_offset(path, name.len);
        return with_query(x, pass->uri, escaped(x, path));
    }
    if (is_target_unchanged(x))
        return x->request->path;
    return with_query(x, TEXT(""), escaped(x, path));
}

/* ---- fields ---- */

static void add_field(struct head *head, struct text name, enum field_id id, struct text value)
{
    if (value.len > 0)
        *fields_push(&head->fields) =
            (struct field){ .name = name, .value = value, .id = (uint8_t)id };
}

static bool is_overridden(const struct overrides *overrides, enum field_id id)
{
    return (overrides->ids >> id & 1) != 0;
}

static void add_set_header(struct exchange *x, struct head *head, const struct set_header *header,
                           struct overrides *overrides)
{
    enum field_id id = header->id;
    struct text   value = template_eval(header->value, &x->scope);

    overrides->ids |= UINT64_C(1) << id;
    overrides->has_others = overrides->has_others || id == FIELD_OTHER;
    if (id == FIELD_CONNECTION)
        overrides->connection = value;
    else if (id == FIELD_UPGRADE)
        overrides->upgrade = value;
    else if (!(field_flags(id) & FIELD_FRAMING))
        add_field(head, header->name, id, value);
}

/* Host comes first, as peers and people expect it. */
static void add_set_headers(struct exchange *x, struct head *head, struct overrides *overrides)
{
    const struct set_header *headers = x->location->proxy.set_headers;
    bool                     has_host = false;

    for (const struct set_header *header = headers; header != NULL; header = header->next)
        has_host = has_host || header->id == FIELD_HOST;
    if (!has_host)
        add_field(head, TEXT("Host"), FIELD_HOST,
                  x->upstream_host.ptr != NULL ? x->upstream_host : x->location->proxy.pass->host);
    for (const struct set_header *header = headers; header != NULL; header = header->next)
        add_set_header(x, head, header, overrides);
    overrides->ids &= ~(UINT64_C(1) << FIELD_OTHER);
}

/* What comes before the handshake is over may be a replay, and the peer is to know (RFC 8470 5.1). */
static void add_early(const struct exchange *x, struct head *head)
{
    struct text name = TEXT("Early-Data");

    if (secure_is_early(x) && fields_find_name(&head->fields, name) == NULL)
        add_field(head, name, FIELD_OTHER, TEXT("1"));
}

bool forward_sets(const struct exchange *x, struct text name)
{
    const struct set_header *headers = x->location->proxy.set_headers;

    for (; headers != NULL; headers = headers->next)
        if (headers->name.len == name.len && text_is_equal_nocase(headers->name, name))
            return true;
    return false;
}

/* The client's Host and Expect are ours to answer: they never travel on by themselves. */
static void add_client_fields(const struct exchange *x, struct head *head,
                              const struct fields *fields, const struct overrides *overrides)
{
    const uint64_t kept_back = overrides->ids | BIT(HOST) | BIT(EXPECT)
                               | (caching_wants_whole(x) ? OF_PARTS : 0);

    FIELDS_EACH(fields, field) {
        enum field_id id = (enum field_id)field->id;
        if (id == FIELD_OTHER) {
            if (overrides->has_others && forward_sets(x, field->name))
                continue;
        } else if ((kept_back >> id & 1) != 0 || (field_flags(id) & HOP_FLAGS) != 0) {
            continue;
        }
        *fields_push(&head->fields) = *field;
    }
}

/* ---- connection ---- */

/* protocol-name ["/" protocol-version], and not h2c: it would carry requests that nobody here reads. */
static bool may_be_asked_for(struct text protocol)
{
    size_t      slash = text_find(protocol, '/');
    struct text name = text_part(protocol, 0, slash);

    return field_name_is_valid(name) && !text_is_equal_nocase(name, TEXT("h2c")) &&
           (slash == protocol.len || field_name_is_valid(text_from_offset(protocol, slash + 1)));
}

static struct text protocols_filtered(struct arena *arena, struct text list)
{
    struct writer writer = writer_arena(arena, 2 * list.len + 2);
    struct text   rest = list, element;

    while (field_list_next(&rest, &element))
        if (may_be_asked_for(element)) {
            if (writer.len > 0)
                writer_text(&writer, TEXT(", "));
            writer_text(&writer, element);
        }
    return writer_done(&writer);
}

/* An upgrade that the client did not ask for could only be answered behind its back, and HTTP/1.0
 * has none (RFC 9110 7.8). */
static struct text configured_upgrade(struct exchange *x, const struct overrides *overrides)
{
    if (overrides->upgrade.len == 0 || !field_list_has(overrides->connection, TEXT("upgrade")))
        return TEXT("");
    if (x->request->version < 11 || fields_find(&x->request->fields, FIELD_UPGRADE) == NULL)
        return TEXT("");
    return protocols_filtered(x->arena, overrides->upgrade);
}

/* WebSocket works without configuration, where nobody configured anything else. */
static struct text default_upgrade(const struct exchange *x)
{
    const struct head *request = x->request;

    if (request->method != METHOD_GET || request->version < 11 ||
        !text_is_equal_nocase(request->upgrade, TEXT("websocket")) ||
        fields_find_name(&request->fields, TEXT("Sec-WebSocket-Key")) == NULL)
        return TEXT("");
    return request->upgrade;
}

/* Of all that TE may say, this alone may travel on in HTTP/2 (RFC 9113 8.2.2), and gRPC insists on it. */
static bool wants_trailers(const struct head *request)
{
    return field_list_has(fields_value(&request->fields, FIELD_TE), TEXT("trailers"));
}

static void set_connection(struct exchange *x, struct head *head, const struct overrides *overrides)
{
    bool is_configured =
        is_overridden(overrides, FIELD_CONNECTION) || is_overridden(overrides, FIELD_UPGRADE);

    head->may_persist = head->version >= 11
                            ? !field_list_has(overrides->connection, TEXT("close"))
                                            : field_list_has(overrides->connection, TEXT("keep-alive"));
    if (head->version < 11)
        head->upgrade = TEXT("");
    else
        head->upgrade = is_configured ? configured_upgrade(x, overrides) : default_upgrade(x);
    if (head->version >= 20 && !is_overridden(overrides, FIELD_TE) && wants_trailers(x->request))
        fields_add_id(&head->fields, FIELD_TE, TEXT("trailers"));
}
