// SPDX-License-Identifier: MIT
/* The answer's head as the client gets it, from a peer's response or made here.
 *
 * What would tell who stands behind us is removed or rewritten (Server, Date, Location,
 * cookies), then the location's own fields are put in. Framing and Connection are left to the codec.
 * Runs once per answer, on the exchange's loop; x->response is only read. */
#include "proxy/answer_head.h"

#include <string.h>

#include "base/clock.h"
#include "base/writer.h"
#include "http/cookie.h"
#include "http/status.h"
#include "proxy/caching.h"
#include "proxy/exchange.h"
#include "proxy/expires.h"
#include "proxy/hop.h"

enum {
    SPARE_FIELDS = 8,
    EXTENSION_BYTES = 32,
    MS_PER_S = 1000,
    STATUS_HEAD_TOO_LARGE = 431,
    STATUS_NGINX_HEAD_TOO_LARGE = 494
};

_Static_assert(FIELD_ID_COUNT <= 64, "struct hidden has 64 bits");

#define BIT(id) (UINT64_C(1) << FIELD_##id)
#define HIDDEN_BY_DEFAULT                                                                   \
    (BIT(DATE) | BIT(SERVER) | BIT(X_PAD) | BIT(X_ACCEL_EXPIRES) | BIT(X_ACCEL_REDIRECT)    \
     | BIT(X_ACCEL_LIMIT_RATE) | BIT(X_ACCEL_BUFFERING) | BIT(X_ACCEL_CHARSET))

/* Fields of a peer that the client does not get. */
struct hidden {
    uint64_t                ids;         /* by enum field_id */
    const struct name_list *hide, *pass; /* for names without a number */
};

static void        add_server_and_date(const struct exchange *x, struct head *answer,
                                       uint64_t own);
static void        add_peer_fields(struct exchange *x, struct head *answer,
                                   const struct fields *fields, const struct hidden *hidden);
static bool        is_rewritten(const struct field *field);
static void        rewrite_field(struct exchange *x, struct field *field);
static void        add_configured(struct exchange *x, struct head *answer);

static struct head *head_new(struct exchange *x, unsigned field_count)
{
    struct head *head = ARENA_NEW(x->arena, struct head);

    fields_init(&head->fields, x->arena, field_count + SPARE_FIELDS);
    head->version = 11;
    head->may_persist = true;
    return head;
}

static void add_field(struct head *answer, enum field_id id, struct text value)
{
    *fields_push(&answer->fields) =
        (struct field){ .name = field_name(id), .value = value, .id = (uint8_t)id };
}

/* ---- from a peer ---- */

static uint64_t ids_of(const struct name_list *names)
{
    uint64_t ids = 0;

    for (; names != NULL; names = names->next)
        ids |= UINT64_C(1) << field_id_of(names->name);
    return ids & ~BIT(OTHER);
}

static struct hidden hidden_of(const struct proxy_policy *policy)
{
    return (struct hidden){
        .ids = (HIDDEN_BY_DEFAULT | ids_of(policy->hide_headers)) & ~ids_of(policy->pass_headers),
        .hide = policy->hide_headers,
        .pass = policy->pass_headers,
    };
}

/* Server and Date are ours unless the peer's are passed; an answer has a Date in any case. */
static uint64_t own_fields(const struct hidden *hidden, const struct fields *fields)
{
    uint64_t own = hidden->ids & (BIT(SERVER) | BIT(DATE));

    if (fields_find(fields, FIELD_DATE) == NULL)
        own |= BIT(DATE);
    return own;
}

struct head *answer_head_from_peer(struct exchange *x)
{
    return answer_head_of(x, x->response, false);
}

struct head *answer_head_of(struct exchange *x, const struct head *response, bool is_cached)
{
    struct hidden      hidden = hidden_of(&x->location->proxy);
    struct fields      fields;
    struct head       *answer = head_new(x, response->fields.count);

    /* Whoever answers may strip what it likes of its own; what must stay has stayed. */
    bool is_honest = hop_fields(response, x->arena, &fields);
    (void)is_honest;
    answer->status = response->status;
    answer->reason = response->reason;
    answer->body = response->body;
    answer->length = response->length;
    answer->has_length = response->has_length;
    answer->upgrade = response->upgrade;
    if (is_cached)
        hidden.ids &= ~BIT(DATE);
    add_server_and_date(x, answer, own_fields(&hidden, &fields));
    add_peer_fields(x, answer, &fields, &hidden);
    if (x->caching != NULL)
        caching_finish_head(x, answer);
    add_configured(x, answer);
    return answer;
}

struct head *answer_head_interim(struct exchange *x, const struct head *interim)
{
    struct hidden hidden = hidden_of(&x->location->proxy);
    struct fields fields;
    struct head  *head;

    if (!hop_fields(interim, x->arena, &fields))
        return NULL;
    head = head_new(x, fields.count);
    head->status = interim->status;
    head->reason = interim->reason;
    add_peer_fields(x, head, &fields, &hidden);
    return head;
}

static struct text server_token(const struct exchange *x)
{
    return x->location->tokens == TOKENS_OFF ? TEXT("frontdesk")
                                             : TEXT("frontdesk/" FRONTDESK_VERSION);
}

static void add_server_and_date(const struct exchange *x, struct head *answer, uint64_t own)
{
    if (own & BIT(SERVER))
        add_field(answer, FIELD_SERVER, server_token(x));
    if (own & BIT(DATE))
        add_field(answer, FIELD_DATE, arena_copy(x->arena, clock_http_date(loop_wall_ms(x->loop))));
}

static bool list_has(const struct name_list *names, struct text name)
{
    for (; names != NULL; names = names->next)
        if (names->name.len == name.len && text_is_equal_nocase(names->name, name))
            return true;
    return false;
}

static bool is_hidden(const struct hidden *hidden, const struct field *field)
{
    if (field->id != FIELD_OTHER)
        return (hidden->ids >> field->id & 1) != 0;
    return list_has(hidden->hide, field->name) && !list_has(hidden->pass, field->name);
}

bool answer_hides(const struct exchange *x, const struct field *field)
{
    struct hidden hidden = hidden_of(&x->location->proxy);

    return is_hidden(&hidden, field);
}

static void add_peer_fields(struct exchange *x, struct head *answer, const struct fields *fields,
                            const struct hidden *hidden)
{
    FIELDS_EACH(fields, field) {
        if ((field_flags((enum field_id)field->id) & HOP_FLAGS) != 0 || is_hidden(hidden, field))
            continue;
        struct field *added = fields_push(&answer->fields);
        *added = *field;
        if (is_rewritten(field))
            rewrite_field(x, added);
    }
}

/* ---- proxy_redirect ---- */

static struct text joined(struct exchange *x, struct text first, struct text second)
{
    struct writer writer = writer_arena(x->arena, first.len + second.len + 1);

    writer_text(&writer, first);
    writer_text(&writer, second);
    return writer_done(&writer);
}

/* One rule on one value; ptr NULL: it does not apply. */
static struct text replace(struct exchange *x, const struct replacement *rule, struct text value)
{
    if (rule->regex != NULL) {
        if (!regex_match(rule->regex, value, &x->scope))
            return TEXT_NONE;
        return template_eval(rule->to, &x->scope);
    }

    struct text from = template_eval(rule->from, &x->scope);
    if (!text_has_prefix(value, from))
        return TEXT_NONE;
    return joined(x, template_eval(rule->to, &x->scope), text_from_offset(value, from.len));
}

static struct text replace_by_list(struct exchange *x, const struct replacement *rules,
                                   struct text value)
{
    for (; rules != NULL; rules = rules->next) {
        struct text replaced = replace(x, rules, value);
        if (replaced.ptr != NULL)
            return replaced;
    }
    return TEXT_NONE;
}

/* "default": the peer's own address becomes the path under which the client knows it. An address
 * without any path means its root. */
static struct text replace_default(struct exchange *x, struct text value)
{
    const struct pass *pass = x->location->proxy.pass;

    if (!x->location->proxy.is_redirect_default || pass == NULL || pass->url_template != NULL ||
        !text_has_prefix(value, pass->url))
        return TEXT_NONE;

    struct text rest = text_from_offset(value, pass->url.len);
    if (pass->has_uri)
        return joined(x, x->location->name, rest);
    if (rest.len == 0)
        return TEXT("/");
    return rest.ptr[0] == '/' ? rest : TEXT_NONE;
}

static struct text redirect_replaced(struct exchange *x, struct text value)
{
    struct text replaced = replace_default(x, value);

    return replaced.ptr != NULL ? replaced
                                : replace_by_list(x, x->location->proxy.redirects, value);
}

/* Only what was rewritten is made absolute: the peer's relative Location is right as it stands. */
static struct text rewrite_location(struct exchange *x, struct text value)
{
    struct text replaced = redirect_replaced(x, value);

    return replaced.ptr == NULL ? value : answer_redirect(x, replaced);
}

/* "5; url=http://..." */
static struct text rewrite_refresh(struct exchange *x, struct text value)
{
    static const struct text mark = { "url=", 4 };

    for (size_t at = 0; at + mark.len <= value.len; at++) {
        if (!text_has_prefix_nocase(text_from_offset(value, at), mark))
            continue;
        at += mark.len;
        struct text replaced = redirect_replaced(x, text_from_offset(value, at));
        return replaced.ptr == NULL ? value : joined(x, text_part(value, 0, at), replaced);
    }
    return value;
}

/* ---- cookies ---- */

/* `value` with `part`, which lies in it, replaced. */
static struct text splice(struct exchange *x, struct text value, struct text part, struct text new)
{
    size_t start = (size_t)(part.ptr - value.ptr);

    return joined(x, joined(x, text_part(value, 0, start), new),
                  text_from_offset(value, start + part.len));
}

static struct text without_dot(struct text domain)
{
    return text_has_prefix(domain, TEXT(".")) ? text_from_offset(domain, 1) : domain;
}

/* A leading dot counts nowhere; the cookie keeps its own. */
static struct text replace_domain(struct exchange *x, const struct replacement *rules,
                                  struct text cookie, struct text domain)
{
    struct text bare = without_dot(domain);

    for (; rules != NULL; rules = rules->next) {
        if (rules->regex != NULL) {
            struct text replaced = replace(x, rules, domain);
            if (replaced.ptr != NULL)
                return splice(x, cookie, domain, replaced);
        } else if (text_is_equal_nocase(bare, without_dot(template_eval(rules->from, &x->scope)))) {
            return splice(x, cookie, bare, without_dot(template_eval(rules->to, &x->scope)));
        }
    }
    return cookie;
}

static struct text replace_path(struct exchange *x, const struct replacement *rules,
                                struct text cookie, struct text path)
{
    struct text replaced = replace_by_list(x, rules, path);

    return replaced.ptr == NULL ? cookie : splice(x, cookie, path, replaced);
}

/* Sets the attribute when a flag asks for it and it is not there already. */
static struct text with_flag(struct exchange *x, struct text cookie, struct text name, bool is_on,
                             bool is_off)
{
    struct text ignored;

    if (is_on && !cookie_attribute(cookie, name, &ignored))
        return cookie_with_attribute(x->arena, cookie, name, TEXT_NONE);
    return is_off ? cookie_without_attribute(x->arena, cookie, name) : cookie;
}

static struct text with_same_site(struct exchange *x, struct text cookie, unsigned flags)
{
    struct text name = TEXT("SameSite");

    if (flags & COOKIE_SAMESITE_STRICT)
        return cookie_with_attribute(x->arena, cookie, name, TEXT("Strict"));
    if (flags & COOKIE_SAMESITE_LAX)
        return cookie_with_attribute(x->arena, cookie, name, TEXT("Lax"));
    if (flags & COOKIE_SAMESITE_NONE)
        return cookie_with_attribute(x->arena, cookie, name, TEXT("None"));
    if (flags & COOKIE_SAMESITE)
        return cookie_with_attribute(x->arena, cookie, name, TEXT_NONE);
    if (flags & COOKIE_NO_SAMESITE)
        return cookie_without_attribute(x->arena, cookie, name);
    return cookie;
}

static bool flags_apply(struct exchange *x, const struct cookie_flags *rule, struct text name)
{
    if (rule->regex != NULL)
        return regex_match(rule->regex, name, &x->scope);
    return text_is_equal_nocase(template_eval(rule->name, &x->scope), name);
}

static struct text with_flags(struct exchange *x, struct text cookie)
{
    const struct cookie_flags *rule = x->location->proxy.cookie_flags;
    struct text                name = cookie_name(cookie);

    while (rule != NULL && !flags_apply(x, rule, name))
        rule = rule->next;
    if (rule == NULL)
        return cookie;
    cookie = with_flag(x, cookie, TEXT("Secure"), rule->flags & COOKIE_SECURE,
                       rule->flags & COOKIE_NO_SECURE);
    cookie = with_flag(x, cookie, TEXT("HttpOnly"), rule->flags & COOKIE_HTTPONLY,
                       rule->flags & COOKIE_NO_HTTPONLY);
    return with_same_site(x, cookie, rule->flags);
}

static struct text rewrite_cookie(struct exchange *x, struct text cookie)
{
    const struct proxy_policy *policy = &x->location->proxy;
    struct text                part;

    if (policy->cookie_domains != NULL && cookie_attribute(cookie, TEXT("Domain"), &part) &&
        part.len > 0)
        cookie = replace_domain(x, policy->cookie_domains, cookie, part);
    if (policy->cookie_paths != NULL && cookie_attribute(cookie, TEXT("Path"), &part) &&
        part.len > 0)
        cookie = replace_path(x, policy->cookie_paths, cookie, part);
    return policy->cookie_flags == NULL ? cookie : with_flags(x, cookie);
}

static bool is_rewritten(const struct field *field)
{
    return (BIT(LOCATION) | BIT(REFRESH) | BIT(SET_COOKIE)) >> field->id & 1;
}

static void rewrite_field(struct exchange *x, struct field *field)
{
    if (field->id == FIELD_LOCATION)
        field->value = rewrite_location(x, field->value);
    else if (field->id == FIELD_REFRESH)
        field->value = rewrite_refresh(x, field->value);
    else
        field->value = rewrite_cookie(x, field->value);
    field->is_as_read = false;
}

/* ---- what the location adds ---- */

/* Statuses for which add_header and expires work without "always". */
static bool is_usual(unsigned status)
{
    switch (status) {
    case 200: case 201: case 204: case 206:
    case 301: case 302: case 303: case 304: case 307: case 308:
        return true;
    default:
        return false;
    }
}

/* Last-Modified and ETag exist once: a new value replaces, an empty one removes. */
static void add_header(struct head *answer, struct text name, struct text value)
{
    enum field_id id = field_id_of(name);

    if (id == FIELD_LAST_MODIFIED || id == FIELD_ETAG)
        fields_remove(&answer->fields, id);
    if (value.len > 0)
        *fields_push(&answer->fields) =
            (struct field){ .name = name, .value = value, .id = (uint8_t)id };
}

static bool is_kept(const struct field *field)
{
    enum field_id id = (enum field_id)field->id;

    return id == FIELD_SET_COOKIE || id == FIELD_CACHE_CONTROL || id == FIELD_EXPIRES ||
           id == FIELD_ACCEPT_RANGES ||
           text_is_equal_nocase(field->name, TEXT("Content-Disposition"));
}

struct fields *answer_keep_fields(struct exchange *x)
{
    struct fields *kept = ARENA_NEW(x->arena, struct fields);

    fields_init(kept, x->arena, SPARE_FIELDS);
    FIELDS_EACH(&x->response->fields, field) {
        struct field *copy;

        if (!is_kept(field))
            continue;
        copy = fields_push(kept);
        *copy = *field;
        if (is_rewritten(copy))
            rewrite_field(x, copy);
    }
    return kept;
}

/* What the peer that gave X-Accel-Redirect said beside it, where the answer itself says nothing. */
static void add_kept(const struct exchange *x, struct head *answer)
{
    if (x->kept_fields == NULL)
        return;
    FIELDS_EACH(x->kept_fields, field) {
        enum field_id       id = (enum field_id)field->id;
        const struct field *said = id == FIELD_OTHER
                                       ? fields_find_name(&answer->fields, field->name)
                                       : fields_find(&answer->fields, id);

        if (id == FIELD_SET_COOKIE || said == NULL)
            *fields_push(&answer->fields) = *field;
    }
}

/* A variable may ask for what is being sent, so x->answer is set by now. */
static void add_configured(struct exchange *x, struct head *answer)
{
    const struct location *location = x->location;
    bool                   is_usual_status = is_usual(answer->status);

    x->answer = answer;
    add_kept(x, answer);
    if (x->sticky_cookie.ptr != NULL)
        fields_add_id(&answer->fields, FIELD_SET_COOKIE, x->sticky_cookie);
    if (is_usual_status)
        expires_apply(&location->expires, &x->scope, loop_wall_ms(x->loop) / MS_PER_S, answer);
    for (const struct add_header *header = location->headers; header != NULL; header = header->next)
        if (is_usual_status || header->is_always)
            add_header(answer, header->name, template_eval(header->value, &x->scope));
}

struct fields *answer_trailers(struct exchange *x)
{
    struct fields *trailers = NULL;
    bool           is_usual_status = is_usual(x->status);

    for (const struct add_header *trailer = x->location->trailers; trailer != NULL;
         trailer = trailer->next) {
        if (!is_usual_status && !trailer->is_always)
            continue;
        struct text value = template_eval(trailer->value, &x->scope);
        if (value.len == 0 || (field_flags(field_id_of(trailer->name)) & HOP_FLAGS) != 0)
            continue;
        if (trailers == NULL) {
            trailers = ARENA_NEW(x->arena, struct fields);
            fields_init(trailers, x->arena, SPARE_FIELDS);
        }
        fields_add(trailers, trailer->name, value);
    }
    return trailers;
}

void answer_use_status(struct exchange *x, struct head *response)
{
    x->status = response->status;
    if (x->has_error_page && x->error_answer != 0) {
        x->status = x->error_answer > 0 ? (unsigned)x->error_answer : x->error_status;
        if (x->status != response->status)
            response->reason = TEXT_NONE;
    }
}

/* ---- local answers ---- */

/* What follows the last dot of the last segment, in lower case; empty: none. */
static struct text extension_of(struct text path, char bytes[EXTENSION_BYTES])
{
    struct text segment = text_from_offset(path, text_find_last(path, '/') + 1);
    size_t      dot = text_find_last(segment, '.');

    if (dot == segment.len || dot == 0 || segment.len - dot - 1 > EXTENSION_BYTES)
        return TEXT("");
    struct text extension = text_from_offset(segment, dot + 1);
    for (size_t i = 0; i < extension.len; i++)
        bytes[i] = text_lower_char(extension.ptr[i]);
    return text_of(bytes, extension.len);
}

/* Of a text that `return` gave: by the path's extension, as a file's would be. */
static struct text type_by_path(const struct exchange *x)
{
    char               bytes[EXTENSION_BYTES];
    struct text        extension = extension_of(x->path, bytes);
    const struct text *type = NULL;

    if (x->location->types != NULL && extension.len > 0)
        type = map_get(x->location->types, extension);
    return type == NULL ? x->location->default_type : *type;
}

static void set_local_body(const struct exchange *x, struct head *answer)
{
    bool has_page = x->answer_text.len > 0 || x->status < 300;

    if (!status_has_content(x->status))
        return;
    struct text type = x->answer_type.ptr == NULL ? type_by_path(x) : x->answer_type;
    if (has_page && type.len > 0)
        add_field(answer, FIELD_CONTENT_TYPE, type);
    answer->body = x->request->method == METHOD_HEAD ? BODY_NONE : BODY_SIZED;
    answer->length = x->answer_text.len;
    answer->has_length = true;
}

/* A challenge belongs to its 401, even when our page replaces the peer's. */
static void add_challenge(const struct exchange *x, struct head *answer)
{
    if (x->status != 401 || x->response == NULL || x->response->status != 401)
        return;
    for (const struct field *field = fields_find(&x->response->fields, FIELD_WWW_AUTHENTICATE);
         field != NULL; field = fields_find_next(&x->response->fields, field))
        add_field(answer, FIELD_WWW_AUTHENTICATE, field->value);
}

/* To those who were refused for now. */
static void add_retry_after(struct exchange *x, struct head *answer)
{
    if (x->retry_after_s > 0 && x->status == 503)
        add_field(answer, FIELD_RETRY_AFTER, arena_format(x->arena, "%u", x->retry_after_s));
}

struct head *answer_head_local(struct exchange *x)
{
    struct head *answer = head_new(x, SPARE_FIELDS);

    answer->status = x->status;
    answer->reason = status_reason(x->status);
    add_server_and_date(x, answer, BIT(SERVER) | BIT(DATE));
    set_local_body(x, answer);
    if (x->answer_location.len > 0)
        add_field(answer, FIELD_LOCATION, answer_redirect(x, x->answer_location));
    add_challenge(x, answer);
    add_retry_after(x, answer);
    add_configured(x, answer);
    return answer;
}

bool answer_is_intercepted(const struct exchange *x, unsigned status)
{
    if (!x->location->proxy.is_intercepting_errors || status < 300)
        return false;
    for (const struct error_page *page = x->location->error_pages; page != NULL; page = page->next)
        if (page->status == status)
            return true;
    return false;
}

/* Configurations know a head that is too large by nginx's own number for it. */
static bool is_page_for(const struct error_page *page, unsigned status)
{
    return page->status == status ||
           (page->status == STATUS_NGINX_HEAD_TOO_LARGE && status == STATUS_HEAD_TOO_LARGE);
}

const struct error_page *answer_error_page(const struct exchange *x)
{
    const struct error_page *page = x->location->error_pages;

    while (page != NULL && !is_page_for(page, x->status))
        page = page->next;
    return page;
}

/* The pages have words of their own for two statuses. */
static struct text page_words(unsigned status)
{
    if (status == 302)
        return TEXT("Found");
    return status == 401 ? TEXT("Authorization Required") : status_reason(status);
}

/* `heading` is what the page has in large; `words` more below it, or "". */
static struct text page(struct exchange *x, struct text title, struct text heading,
                        struct text words)
{
    struct text token = server_token(x);

    return arena_format(x->arena,
                        "<html>\r\n<head><title>%.*s</title></head>\r\n<body>\r\n"
                        "<center><h1>%.*s</h1></center>\r\n%.*s"
                        "<hr><center>%.*s</center>\r\n</body>\r\n</html>\r\n",
                        TEXT_ARGS(title), TEXT_ARGS(heading), TEXT_ARGS(words), TEXT_ARGS(token));
}

struct text answer_page(struct exchange *x)
{
    struct text words = page_words(x->status), title;

    if (words.len == 0)
        return TEXT("");
    title = arena_format(x->arena, "%u %.*s", x->status, TEXT_ARGS(words));
    return page(x, title, title, TEXT(""));
}

struct text answer_page_saying(struct exchange *x, const char *words)
{
    return page(x, arena_format(x->arena, "%u %s", x->status, words),
                arena_format(x->arena, "%u %.*s", x->status, TEXT_ARGS(status_reason(x->status))),
                arena_format(x->arena, "<center>%s</center>\r\n", words));
}

/* ---- absolute redirects ---- */

static void write_own_host(struct exchange *x, struct writer *writer, const struct address *local)
{
    if (x->location->has_name_in_redirect && x->server->first_name.len > 0)
        writer_text(writer, x->server->first_name);
    else if (x->has_asked_host)
        writer_text(writer, x->host);
    else
        address_write_ip(writer, local);
}

struct text answer_redirect(struct exchange *x, struct text uri)
{
    const struct address *local;
    struct writer         writer;

    if (!x->location->is_absolute_redirect || !text_has_prefix(uri, TEXT("/")))
        return uri;
    local = exchange_local(x);
    writer = writer_arena(x->arena, x->host.len + uri.len + sizeof("https://:65535"));
    writer_text(&writer, exchange_scheme(x));
    writer_string(&writer, "://");
    write_own_host(x, &writer, local);

    unsigned port = address_port(local);
    if (x->location->has_port_in_redirect && port != 0 && port != exchange_scheme_port(x)) {
        writer_char(&writer, ':');
        writer_u64(&writer, port);
    }
    writer_text(&writer, uri);
    return writer_done(&writer);
}
