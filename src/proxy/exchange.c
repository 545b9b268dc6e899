// SPDX-License-Identifier: MIT
/* Life of an exchange: built when a head is complete, driven by wakes, ended once. */
#include "proxy/exchange.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "balance/wait.h"
#include "net/socket.h"
#include "net/tally.h"
#include "proxy/access_log.h"
#include "proxy/admission.h"
#include "proxy/caching.h"
#include "proxy/client.h"
#include "proxy/dynamic.h"
#include "proxy/forward_head.h"
#include "proxy/hedge.h"
#include "proxy/limits.h"
#include "proxy/nobody.h"
#include "proxy/relay.h"
#include "proxy/slices.h"
#include "proxy/steps.h"
#include "proxy/trailers.h"
#include "tls/info.h"

enum { REQUEST_PIPE_BYTES = 64 * 1024 };

static void exchange_run(struct task *task, unsigned wakes);
static void exchange_end(struct exchange *x);
static void describe(const struct log_scope *scope, struct writer *writer);

struct exchange *exchange_of_scope(struct scope *scope)
{
    return container_of(scope, struct exchange, scope);
}

const struct exchange *exchange_of_task(const struct task *task)
{
    return task->run == exchange_run ? container_of(task, struct exchange, task) : NULL;
}

static void corpse_release(struct corpse *corpse)
{
    struct exchange *x = container_of(corpse, struct exchange, corpse);
    struct exchange *parent = x->parent;
    struct arena    *arena = x->arena;

    task_cancel(&x->task);
    x->is_over = true;
    if (x->dependants > 0)
        return;
    arena_free(&arena);   /* x lives in it */
    if (parent != NULL && --parent->dependants == 0 && parent->is_over)
        corpse_release(&parent->corpse);
}

static struct exchange *exchange_make(struct arena *arena)
{
    enum { ALIGNMENT = _Alignof(struct exchange) };
    char            *bytes = arena_bytes(arena, sizeof(struct exchange) + ALIGNMENT - 1);
    struct exchange *x = (void *)(bytes + (ALIGNMENT - (uintptr_t)bytes % ALIGNMENT) % ALIGNMENT);

    memset(x, 0, offsetof(struct exchange, request_body));
    return x;
}

/* What every exchange has, whoever began it. */
static struct exchange *exchange_new(struct arena *arena, struct loop *loop,
                                     struct snapshot *snapshot, const struct listen *listen,
                                     uint64_t serial)
{
    struct exchange *x = exchange_make(arena);

    x->arena = arena;
    x->loop = loop;
    x->snapshot = snapshot;
    x->listen = listen;
    x->log_scope = (struct log_scope){ .connection = serial, .describe = describe };
    x->scope.arena = arena;
    x->scope.slot_count = snapshot->site->slot_count;
    if (x->scope.slot_count > 0)
        x->scope.slots = ARENA_ARRAY(arena, struct text, x->scope.slot_count);
    x->corpse.release = corpse_release;
    task_init(&x->task, exchange_run);
    timer_init(&x->timer, &x->task);
    timer_init(&x->pace_timer, &x->task);
    pin(loop, &snapshot->pinned);
    pipe_init(&x->request_body, REQUEST_PIPE_BYTES);
    pipe_init(&x->response_body, REQUEST_PIPE_BYTES);
    return x;
}

void exchange_begin(struct client *client, struct stream *stream, struct snapshot *snapshot,
                    const struct listen *listen, struct loop *loop)
{
    struct exchange *x = exchange_new(stream->arena, loop, snapshot, listen, client->serial);

    x->client_conn = client;
    x->client = stream;
    x->request = stream->rx_head;
    x->noted_fault = stream->fault;
    x->refusal = admission_enter(stream->fault);
    x->server = listen->servers[0];
    x->location = &x->server->level;
    x->is_tls = tls_is_tls(&stream->conn->transport);
    x->secured = tls_facts_ref(&stream->conn->transport);
    pipe_set_writer(&x->request_body, &stream->task);
    stream->rx_body = &x->request_body;
    stream->owner = &x->task;
    x->step = &step_route;
    tally_add(TALLY_REQUESTS);
    tally_add(TALLY_UNDER_WAY);
    task_wake(&x->task, WAKE_HEAD);
}

/* Its client has its answer, or will not have it. */
static void note_answered(struct exchange *x)
{
    unsigned kind = x->status / 100;

    access_log_write(x);
    if (x->parent != NULL)
        return;
    tally_drop(TALLY_UNDER_WAY);
    tally_add(kind >= 1 && kind <= 5 ? TALLY_1XX + kind - 1 : TALLY_NO_ANSWER);
}

/* ---- without a client ---- */

/* A head of its own, since steps change what they send; the texts are the parent's. */
static struct head *head_copy(struct arena *arena, const struct head *head)
{
    struct head *copy = ARENA_NEW(arena, struct head);

    *copy = *head;
    copy->body = BODY_NONE;
    copy->expects_continue = false;
    fields_init(&copy->fields, arena, head->fields.count + 1);
    FIELDS_EACH(&head->fields, field)
        *fields_push(&copy->fields) = *field;
    return copy;
}

struct exchange *exchange_fork(struct exchange *x, const struct step *step)
{
    struct exchange *fork;

    if (admission_enter(FAULT_NONE) != FAULT_NONE) {
        admission_leave();
        return NULL;
    }
    fork = exchange_new(arena_new(), x->loop, x->snapshot, x->listen, x->log_scope.connection);
    fork->request = head_copy(fork->arena, x->request);
    fork->server = x->server;
    fork->location = x->location;
    fork->host = x->host;
    fork->path = x->path;
    fork->query = x->query;
    fork->has_query = x->has_query;
    fork->is_tls = x->is_tls;
    fork->secured = tls_facts_ref(&x->secured);
    fork->has_asked_host = x->has_asked_host;
    fork->request_id = x->request_id;
    fork->remote = exchange_remote(x);
    fork->is_remote_replaced = x->is_remote_replaced;
    fork->is_internal = x->is_internal;
    memcpy(fork->scope.captures, x->scope.captures, sizeof(fork->scope.captures));
    for (unsigned i = 0; i < fork->scope.slot_count; i++)
        fork->scope.slots[i] = x->scope.slots[i];
    pipe_end(&fork->request_body);
    fork->parent = x;
    x->dependants++;
    nobody_take_over(fork, x->client_conn);
    fork->step = step;
    task_wake(&fork->task, WAKE_HEAD);
    return fork;
}

struct pipe_share *exchange_share(const struct exchange *x)
{
    struct codec *codec;

    if (x->parent != NULL || x->is_unattended)
        return NULL;
    codec = codec_of_protocol(x->client->conn->protocol);
    return codec->ops->share == NULL ? NULL : codec->ops->share(codec);
}

void exchange_leave_client(struct exchange *x)
{
    struct client *client = x->client_conn;
    struct stream *stream = x->client;

    note_answered(x);
    limits_release(x);
    (void)exchange_remote(x);   /* while it is known */
    timer_remove(loop_timers(x->loop), &x->pace_timer);
    pipe_set_writer(&x->request_body, NULL);
    pipe_set_share(&x->response_body, NULL);
    hedge_leave_share(x);
    nobody_take_over(x, client);
    stream->ops->release(stream);
    client_exchange_over(client);
}

/* ---- the driver ---- */

static void exchange_run(struct task *task, unsigned wakes)
{
    struct exchange *x = container_of(task, struct exchange, task);
    enum turn        turn;

    (void)wakes;   /* level, not edge: each step looks for itself */
    do {
        exchange_note(x);
        trailers_pass_request(x);
        turn = x->step->run(x);
    } while (turn == TURN_NEXT);
    must(turn != TURN_WAIT || x->step->guard != GUARD_NONE);   /* rule 3 */
    if (turn == TURN_DONE)
        exchange_end(x);
}

enum turn exchange_go(struct exchange *x, const struct step *next)
{
    x->step = next;
    if (log_is_shown(LOG_DEBUG))
        exchange_log(x, LOG_DEBUG, "step %s", next->name);
    return TURN_NEXT;
}

enum turn exchange_fail(struct exchange *x, int fault)
{
    x->fault = fault;
    return exchange_go(x, &step_retry);
}

enum turn exchange_answer(struct exchange *x, unsigned status)
{
    x->status = status;
    x->is_error_answer = true;
    return exchange_go(x, &step_respond);
}

static void exchange_end(struct exchange *x)
{
    struct client *client = x->client_conn;

    admission_leave();
    slices_end(x);
    relay_end(x);
    if (!x->is_unattended)
        note_answered(x);
    caching_end(x);
    wait_cancel(&x->wait);
    hedge_cancel(x);
    forward_retry_end(x);
    if (x->peer != NULL || x->connector.state != CONNECTOR_NONE)
        forward_abandon(x);
    limits_release(x);
    dynamic_forget(&x->dynamic);
    timer_remove(loop_timers(x->loop), &x->timer);
    timer_remove(loop_timers(x->loop), &x->pace_timer);
    pipe_set_writer(&x->request_body, NULL);
    pipe_set_reader(&x->response_body, NULL);
    x->client->ops->release(x->client);
    pipe_done(&x->request_body);
    pipe_done(&x->response_body);
    tls_facts_unref(&x->secured);
    unpin(x->loop, &x->snapshot->pinned);
    task_cancel(&x->task);
    loop_bury(x->loop, &x->corpse);
    client_exchange_over(client);
}

/* ---- who we are, for the error log ---- */

static void write_quoted(struct writer *writer, const char *key, struct text value)
{
    if (value.len == 0)
        return;
    writer_format(writer, ", %s: \"%.*s\"", key, TEXT_ARGS(value));
}

/* As proxy_pass or grpc_pass has it. */
static const char *upstream_scheme(const struct exchange *x)
{
    bool is_tls = x->is_upstream_tls;

    if (x->location->proxy.is_grpc)
        return is_tls ? "grpcs" : "grpc";
    return is_tls ? "https" : "http";
}

static void describe(const struct log_scope *scope, struct writer *writer)
{
    const struct exchange *x = container_of(scope, struct exchange, log_scope);
    const struct head     *request = x->request;

    writer_string(writer, ", client: ");
    address_write_ip(writer, exchange_remote((struct exchange *)x));
    writer_format(writer, ", server: %.*s", TEXT_ARGS(x->server->first_name));
    write_quoted(writer, "request", request->line);
    if (x->last_attempt != NULL && x->location->proxy.pass != NULL)
        writer_format(writer, ", upstream: \"%s://%.*s%s%.*s\"", upstream_scheme(x),
                      TEXT_ARGS(x->last_attempt->address),
                      text_has_prefix(x->last_attempt->address, TEXT("unix:")) ? ":" : "",
                      TEXT_ARGS(forward_target((struct exchange *)x)));
    write_quoted(writer, "host", request->authority);
    write_quoted(writer, "referrer", fields_value(&request->fields, FIELD_REFERER));
}

void exchange_log(struct exchange *x, enum log_level level, const char *format, ...)
{
    const struct log *log = &x->location->error_log->log;
    char              message[512];
    va_list           args;

    if (log->write == NULL)
        log = log_used();
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    log_to(log, level, &x->log_scope, "%s", message);
}

/* ---- facts about the connection ---- */

const struct address *exchange_sender(struct exchange *x)
{
    struct address *sender = ARENA_NEW(x->arena, struct address);

    *sender = client_remote(x->client_conn);
    return sender;
}

const struct address *exchange_remote(struct exchange *x)
{
    if (x->remote == NULL)
        x->remote = exchange_sender(x);
    return x->remote;
}

const struct address *exchange_local(struct exchange *x)
{
    struct address *local = ARENA_NEW(x->arena, struct address);

    if (!address_is_wildcard(&x->listen->address) || x->client_conn->conn == NULL ||
        socket_local(x->client_conn->conn->transport.fd, local) < 0)
        *local = x->listen->address;
    return local;
}

const struct preface *exchange_preface(const struct exchange *x)
{
    return x->client_conn->has_preface ? x->client_conn->preface : NULL;
}

uint64_t exchange_serial(const struct exchange *x)
{
    return x->client_conn->serial;
}

unsigned exchange_request_number(const struct exchange *x)
{
    return x->client->number;
}

int64_t exchange_connected_ms(const struct exchange *x)
{
    return x->client_conn->connected_ms;
}
