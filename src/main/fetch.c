// SPDX-License-Identifier: MIT
/* Its life: a name, an address, a connection, a request, an answer. The connection is an object of its own, since it
 * may outlive whoever wanted it by a turn. */
#include "main/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/h1_codec.h"
#include "http/uri.h"
#include "net/socket.h"

enum { WAKE_BEGIN = WAKE_HTTP_ABOVE };
enum { HTTP_PORT = 80, HEAD_BYTES = 8 * 1024, FIELDS_MOST = 100, WORDS_BYTES = 256 };

/* It buries itself when it has ended. */
struct line {
    struct conn  *conn;
    struct codec *codec;
    struct loop  *loop;
    struct fetch *fetch;                 /* NULL: given up */
    struct task   task;                  /* told that it stands, or has ended */
    struct corpse corpse;
    int           error;                 /* -errno that ended it */
    bool          is_up;
};

struct fetch {
    struct fetch_order order;
    struct loop       *loop;
    struct task       *waiter;
    struct task        task;
    struct timer       timer;            /* of the whole */
    struct corpse      corpse;
    struct arena      *arena;
    struct uri_url     url;
    struct text        host;             /* without brackets and port */
    unsigned           port;
    struct resolver   *resolver;
    struct question   *question;         /* NULL: the host is an address */
    struct address     addresses[FETCH_ADDRESSES_MOST];
    unsigned           address_count, tried;
    struct line       *line;
    struct stream     *stream;           /* NULL: not sent yet */
    struct pipe        tx_body, rx_body;
    char              *bytes;            /* FETCH_ANSWER_MOST, in the arena */
    size_t             len;
    int                error;            /* why the last address would not do */
    bool               is_over;
    char               words[WORDS_BYTES];
};

/* ---- the end ---- */

static void line_let_go(struct fetch *fetch)
{
    struct line *line = fetch->line;

    fetch->line = NULL;
    if (line == NULL)
        return;
    line->fetch = NULL;
    conn_close(line->conn, LOSS_CLOSED);
}

/* All but the answer goes. */
static void all_let_go(struct fetch *fetch)
{
    timer_remove(loop_timers(fetch->loop), &fetch->timer);
    if (fetch->question != NULL)
        question_free(&fetch->question);
    if (fetch->stream != NULL) {
        pipe_set_writer(&fetch->rx_body, NULL);
        pipe_set_reader(&fetch->tx_body, NULL);
        fetch->stream->ops->release(fetch->stream);
        fetch->stream = NULL;
    }
    line_let_go(fetch);
}

static void end_with(struct fetch *fetch, const char *words)
{
    (void)snprintf(fetch->words, sizeof(fetch->words), "%s", words);
    fetch->is_over = true;
    all_let_go(fetch);
    task_wake(fetch->waiter, WAKE_LETTER);
}

static void end_with_errno(struct fetch *fetch, const char *call, int error)
{
    char words[WORDS_BYTES];

    (void)snprintf(words, sizeof(words), "%s failed %s", call, log_errno(-error).text);
    end_with(fetch, words);
}

static void fetch_release(struct corpse *corpse)
{
    struct fetch *fetch = container_of(corpse, struct fetch, corpse);

    task_cancel(&fetch->task);
    pipe_done(&fetch->tx_body);
    pipe_done(&fetch->rx_body);
    if (fetch->resolver != NULL)
        resolver_unref(&fetch->resolver);
    arena_free(&fetch->arena);
    mem_free(fetch);
}

void fetch_end(struct fetch **fetch)
{
    struct fetch *dead = *fetch;

    if (dead == NULL)
        return;
    *fetch = NULL;
    if (!dead->is_over)
        all_let_go(dead);
    dead->is_over = true;
    loop_bury(dead->loop, &dead->corpse);
}

/* ---- the connection ---- */

static void line_release(struct corpse *corpse)
{
    struct line *line = container_of(corpse, struct line, corpse);

    task_cancel(&line->task);
    mem_free(line);
}

static void line_run(struct task *task, unsigned wakes)
{
    struct line  *line = container_of(task, struct line, task);
    struct fetch *fetch = line->fetch;

    if (wakes & WAKE_WRITABLE)
        line->is_up = true;
    if (wakes & WAKE_END)
        loop_bury(line->loop, &line->corpse);
    if (fetch == NULL)
        return;
    if (wakes & WAKE_END) {
        fetch->error = line->error != 0 ? line->error : -ECONNRESET;
        fetch->line = NULL;
        line->fetch = NULL;
    }
    task_wake(&fetch->task, WAKE_LETTER);
}

/* -errno when the system refuses at once. */
static int line_open(struct fetch *fetch, const struct address *address)
{
    static const struct conn_timeouts timeouts = { .send_ms = FETCH_MOST_MS };
    static const struct head_limits   limits = { .line_bytes = HEAD_BYTES, .field_bytes = HEAD_BYTES,
                                                 .head_bytes = HEAD_BYTES, .fields = FIELDS_MOST };
    struct line                      *line;
    bool                              is_in_progress;
    int                               fd, error;

    error = socket_connect(address, NULL, &fd, &is_in_progress);
    if (error < 0)
        return error;
    line = mem_new(sizeof(*line));
    line->loop = fetch->loop;
    task_init(&line->task, line_run);
    line->corpse.release = line_release;
    line->codec = h1_client_new();
    line->conn = conn_open(fetch->loop, fd, &line->codec->protocol, &timeouts, &line->task,
                           loop_now_ms(fetch->loop) + FETCH_MOST_MS);
    if (line->conn == NULL) {
        loop_bury(fetch->loop, &line->corpse);
        return -ENOMEM;
    }
    line->conn->error_to = &line->error;
    line->codec->ops->attach(line->codec, line->conn);
    line->codec->ops->set_limits(line->codec, &limits);
    line->fetch = fetch;
    fetch->line = line;
    return 0;
}

static void address_try(struct fetch *fetch)
{
    while (fetch->line == NULL && fetch->tried < fetch->address_count)
        fetch->error = line_open(fetch, &fetch->addresses[fetch->tried++]);
    if (fetch->line == NULL)
        end_with_errno(fetch, "connect()", fetch->error);
}

/* ---- the request ---- */

static struct head *head_build(struct fetch *fetch)
{
    struct head *head = ARENA_NEW(fetch->arena, struct head);

    head->method = METHOD_POST;
    head->method_name = TEXT("POST");
    head->target = fetch->url.rest.len > 0 ? fetch->url.rest : TEXT("/");
    head->version = 11;
    head->body = BODY_SIZED;
    head->length = fetch->order.body.len;
    fields_init(&head->fields, fetch->arena, 4);
    fields_add_id(&head->fields, FIELD_HOST, fetch->url.authority);
    fields_add_id(&head->fields, FIELD_CONTENT_TYPE, fetch->order.type);
    fields_add_id(&head->fields, FIELD_ACCEPT, fetch->order.accept);
    return head;
}

static void request_send(struct fetch *fetch)
{
    struct codec  *codec = fetch->line->codec;
    struct stream *stream = codec->ops->open(codec);

    fetch->stream = stream;
    stream->owner = &fetch->task;
    stream->arena = fetch->arena;
    stream->tx_head = head_build(fetch);
    stream->is_last = true;
    stream->tx_body = &fetch->tx_body;
    stream->rx_body = &fetch->rx_body;
    pipe_set_reader(&fetch->tx_body, &stream->task);
    pipe_set_writer(&fetch->rx_body, &stream->task);
    pipe_set_reader(&fetch->rx_body, &fetch->task);
    pipe_put(&fetch->tx_body, slice_copy(fetch->order.body));
    pipe_end(&fetch->tx_body);
    stream->ops->send(stream);
}

/* ---- the answer ---- */

/* False: it is too long. */
static bool body_read(struct fetch *fetch)
{
    struct iovec piece;

    while (pipe_peek(&fetch->rx_body, &piece, 1) == 1) {
        if (piece.iov_len > FETCH_ANSWER_MOST - fetch->len)
            return false;
        memcpy(fetch->bytes + fetch->len, piece.iov_base, piece.iov_len);
        fetch->len += piece.iov_len;
        pipe_drop(&fetch->rx_body, piece.iov_len);
    }
    return true;
}

static void answer_judge(struct fetch *fetch)
{
    const struct head  *head = fetch->stream->rx_head;
    const struct field *type = fields_find(&head->fields, FIELD_CONTENT_TYPE);
    struct text         said = type == NULL ? TEXT("") : type->value;
    char                words[WORDS_BYTES] = "";

    if (head->status != 200)
        (void)snprintf(words, sizeof(words), "status %u came", head->status);
    else if (!text_is_equal_nocase(text_trim(text_part(said, 0, text_find(said, ';'))),
                                   fetch->order.accept))
        (void)snprintf(words, sizeof(words), "an answer of the type \"%.*s\" came",
                       (int)(said.len < 100 ? said.len : 100), said.ptr);
    end_with(fetch, words);
}

static void answer_look(struct fetch *fetch)
{
    struct stream *stream = fetch->stream;

    if (stream->rx_interim != NULL) {
        stream->rx_interim = NULL;
        task_wake(&stream->task, WAKE_ROOM);
    }
    if (stream->rx_head != NULL && !body_read(fetch))
        end_with(fetch, "the answer is too long");
    else if (stream->rx_head != NULL && stream->is_rx_done)
        answer_judge(fetch);
    else if (stream->fault != FAULT_NONE)
        end_with(fetch, fault_row(stream->fault)->words);
}

/* ---- names ---- */

static void question_look(struct fetch *fetch)
{
    const struct question *question = fetch->question;

    if (!question->is_answered)
        return;
    if (question->error < 0) {
        char words[WORDS_BYTES];

        (void)snprintf(words, sizeof(words), "%.*s could not be resolved %s",
                       TEXT_ARGS(fetch->host), log_errno(-question->error).text);
        end_with(fetch, words);
        return;
    }
    for (unsigned i = 0; i < question->count && i < FETCH_ADDRESSES_MOST; i++)
        fetch->addresses[fetch->address_count++] = question->found[i].address;
    question_free(&fetch->question);
    address_try(fetch);
}

/* -EINVAL: it is no URL that we can follow. */
static int url_take(struct fetch *fetch)
{
    int port;

    if (uri_url_parse(fetch->order.url, &fetch->url) < 0 ||
        !text_is_equal_nocase(fetch->url.scheme, TEXT("http")) ||
        uri_host_parse(fetch->url.authority, &fetch->host, &port) < 0 || port == 0 ||
        fetch->host.len >= RESOLVER_NAME_BYTES)
        return -EINVAL;
    if (fetch->url.rest.len > 0 &&
        (fetch->url.rest.ptr[0] != '/' || !uri_target_is_valid(fetch->url.rest)))
        return -EINVAL;
    fetch->port = port < 0 ? HTTP_PORT : (unsigned)port;
    return 0;
}

static void host_find(struct fetch *fetch)
{
    if (address_parse_ip(fetch->host, fetch->port, &fetch->addresses[0]) == 0) {
        fetch->address_count = 1;
        address_try(fetch);
        return;
    }
    fetch->resolver = resolver_ref(fetch->loop, fetch->order.resolver);
    fetch->question =
        resolver_ask(fetch->resolver, fetch->host, fetch->port, FETCH_MOST_MS, &fetch->task);
}

/* ---- its task ---- */

static void go_on(struct fetch *fetch)
{
    if (fetch->question != NULL)
        question_look(fetch);
    else if (fetch->stream != NULL)
        answer_look(fetch);
    else if (fetch->line == NULL)
        address_try(fetch);
    else if (fetch->line->is_up)
        request_send(fetch);
}

static void fetch_run(struct task *task, unsigned wakes)
{
    struct fetch *fetch = container_of(task, struct fetch, task);

    if (fetch->is_over)
        return;
    if (wakes & WAKE_DEADLINE)
        end_with(fetch, "it took too long");
    else if (wakes & WAKE_BEGIN && url_take(fetch) < 0)
        end_with(fetch, "the URL is invalid");
    else if (wakes & WAKE_BEGIN)
        host_find(fetch);
    else
        go_on(fetch);
}

struct fetch *fetch_begin(struct loop *loop, const struct fetch_order *order, struct task *waiter)
{
    struct fetch *fetch = mem_new(sizeof(*fetch));

    fetch->order = *order;
    fetch->loop = loop;
    fetch->waiter = waiter;
    fetch->arena = arena_new();
    fetch->bytes = arena_bytes(fetch->arena, FETCH_ANSWER_MOST);
    fetch->corpse.release = fetch_release;
    task_init(&fetch->task, fetch_run);
    timer_init(&fetch->timer, &fetch->task);
    pipe_init(&fetch->tx_body, FETCH_ANSWER_MOST);
    pipe_init(&fetch->rx_body, FETCH_ANSWER_MOST);
    timer_set(loop_timers(loop), &fetch->timer, loop_now_ms(loop) + FETCH_MOST_MS);
    task_wake(&fetch->task, WAKE_BEGIN);
    return fetch;
}

bool fetch_is_over(const struct fetch *fetch)
{
    return fetch->is_over;
}

struct text fetch_error(const struct fetch *fetch)
{
    return text_from(fetch->words);
}

struct text fetch_answer(const struct fetch *fetch)
{
    return text_of(fetch->bytes, fetch->len);
}
