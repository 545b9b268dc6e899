// SPDX-License-Identifier: MIT
/* An exchange built by hand, for tests of what is pure in the proxy layer: the request and the
 * response are parsed from real bytes, templates are compiled with the real variables, and the few
 * functions that ask the client's connection answer from here. One per test. */
#ifndef TESTS_UNIT_PROXY_DESK_H
#define TESTS_UNIT_PROXY_DESK_H

#include "base/unit.h"

#include "base/mem.h"
#include "base/must.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "http/uri.h"
#include "proxy/exchange.h"
#include "proxy/preface.h"
#include "proxy/variables.h"

#define WITH_DESK(test) cmocka_unit_test_setup_teardown(test, desk_set_up, desk_tear_down)

enum { DESK_SERIAL = 7, DESK_REQUESTS = 3 };

struct desk {
    struct arena   *arena;
    struct loop    *loop;
    struct stream   stream;
    struct conn     conn;
    struct head     request, response;
    struct location location;
    struct server   server;
    struct pass     pass;
    struct address  remote, sender, local;
    struct preface *preface;
    struct names    names;
    struct exchange x;
};

static struct desk *desk;

/* ---- what exchange.c would answer ---- */

struct exchange *exchange_of_scope(struct scope *scope)
{
    return container_of(scope, struct exchange, scope);
}

const struct address *exchange_remote(struct exchange *x)
{
    (void)x;
    return &desk->remote;
}

const struct address *exchange_sender(struct exchange *x)
{
    (void)x;
    return &desk->sender;
}

const struct preface *exchange_preface(const struct exchange *x)
{
    (void)x;
    return desk->preface;
}

const struct address *exchange_local(struct exchange *x)
{
    (void)x;
    return &desk->local;
}

uint64_t exchange_serial(const struct exchange *x)
{
    (void)x;
    return DESK_SERIAL;
}

unsigned exchange_request_number(const struct exchange *x)
{
    (void)x;
    return DESK_REQUESTS;
}

int64_t exchange_connected_ms(const struct exchange *x)
{
    return loop_now_ms(x->loop) - 1234;
}

/* ---- building ---- */

static inline bool desk_find(struct names *names, struct text name, struct variable *ret_variable)
{
    (void)names;
    return variables_find(name, ret_variable);
}

static const struct head_limits desk_limits = { .line_bytes = 8192, .field_bytes = 8192,
                                              .head_bytes = 65536, .fields = 100 };

static inline void desk_request(const char *bytes)
{
    struct exchange *x = &desk->x;

    memset(&desk->request, 0, sizeof(desk->request));
    assert_int_equal(h1_parse_request(text_from(bytes), &desk_limits, desk->arena, &desk->request),
                     FAULT_NONE);
    struct uri_parts parts = uri_split(desk->request.path);
    assert_int_equal(uri_normalise(desk->arena, parts.path, true, &x->path), 0);
    x->query = parts.query;
    x->has_query = parts.has_query;
    x->host = TEXT("site.example");
    x->has_asked_host = true;
}

static inline void desk_response(const char *bytes)
{
    memset(&desk->response, 0, sizeof(desk->response));
    assert_int_equal(h1_parse_response(text_from(bytes), &desk_limits, METHOD_GET, desk->arena,
                                       &desk->response), FAULT_NONE);
    desk->x.response = &desk->response;
}

static inline const struct template *desk_template(const char *source)
{
    const struct template *template = NULL;
    struct text            message = TEXT_NONE;

    if (template_compile(desk->arena, text_from(source), &desk->names, &template, &message) != 0)
        fail_msg("\"%s\": %.*s", source, TEXT_ARGS(message));
    return template;
}

static inline const struct regex *desk_regex(const char *pattern)
{
    const struct regex *regex = NULL;
    struct text         message = TEXT_NONE;

    if (regex_compile(desk->arena, text_from(pattern), false, NULL, &regex, &message) != 0)
        fail_msg("\"%s\": %.*s", pattern, TEXT_ARGS(message));
    return regex;
}

/* The value of "$name ..." for the exchange as it is. */
static inline struct text desk_eval(const char *source)
{
    return template_eval(desk_template(source), &desk->x.scope);
}

/* proxy_set_header, in order. */
static inline void desk_set_header(const char *name, const char *value)
{
    struct set_header **at = &desk->location.proxy.set_headers;

    while (*at != NULL)
        at = &(*at)->next;
    *at = ARENA_NEW(desk->arena, struct set_header);
    (*at)->name = text_from(name);
    (*at)->id = field_id_of((*at)->name);
    (*at)->value = desk_template(value);
}

static inline void desk_add_header(struct add_header **at, const char *name, const char *value,
                                   bool is_always)
{
    while (*at != NULL)
        at = &(*at)->next;
    *at = ARENA_NEW(desk->arena, struct add_header);
    **at = (struct add_header){ .name = text_from(name), .value = desk_template(value),
                                .is_always = is_always };
}

static inline struct text desk_field(const struct head *head, const char *name)
{
    return fields_joined(&head->fields, text_from(name), desk->arena);
}

static inline int desk_set_up(void **state)
{
    desk = mem_new(sizeof(*desk));
    desk->arena = arena_new();
    desk->loop = loop_new(0);
    desk->names.find = desk_find;
    desk->conn.transport.fd = -1;
    desk->stream.conn = &desk->conn;
    desk->server.first_name = TEXT("Site.Example");
    desk->server.may_merge_slashes = true;
    desk->pass = (struct pass){ .url = TEXT("http://app:3000"), .host = TEXT("app:3000"),
                                .port = TEXT("3000") };
    desk->location.name = TEXT("/");
    desk->location.proxy.pass = &desk->pass;
    desk->location.proxy.http_version = 11;
    desk->location.proxy.is_passing_headers = desk->location.proxy.is_passing_body = true;
    desk->location.is_absolute_redirect = desk->location.has_port_in_redirect = true;
    desk->location.default_type = TEXT("text/plain");
    desk->x = (struct exchange){ .arena = desk->arena, .loop = desk->loop,
                                 .client = &desk->stream, .server = &desk->server,
                                 .location = &desk->location, .request = &desk->request };
    desk->x.scope.arena = desk->arena;
    assert_int_equal(address_parse_ip(TEXT("192.0.2.1"), 4711, &desk->remote), 0);
    assert_int_equal(address_parse_ip(TEXT("198.51.100.1"), 99, &desk->sender), 0);
    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 80, &desk->local), 0);
    desk_request("GET / HTTP/1.1\r\nHost: site.example\r\n\r\n");
    *state = desk;
    return 0;
}

static inline int desk_tear_down(void **state)
{
    loop_free(&desk->loop);
    arena_free(&desk->arena);
    MEM_FREE(&desk);
    *state = NULL;
    return 0;
}

#endif
