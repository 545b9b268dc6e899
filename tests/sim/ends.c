// SPDX-License-Identifier: MIT
/* Ends: a conn without a socket. */
#include "ends.h"

#include <string.h>

#include "base/block.h"
#include "net/task_queue.h"

enum { VECTORS = 8, ROUNDS = 20 };

static void nothing_run(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
}

void end_begin(struct end *end, struct loop *loop, struct codec *codec, size_t wire_bytes)
{
    memset(end, 0, sizeof(*end));
    end->codec = codec;
    end->wire_bytes = wire_bytes;
    end->conn.loop = loop;
    end->conn.transport = (struct transport){ .ops = &transport_tcp, .fd = -1 };
    task_init(&end->conn.task, nothing_run);
    codec->protocol.conn = &end->conn.task;
    codec->ops->attach(codec, &end->conn);
}

void end_done(struct end *end)
{
    struct protocol *protocol = &end->codec->protocol;

    end_lose(end, LOSS_CLOSED);
    CHECK(!protocol->ops->is_held(protocol));
    task_cancel(&end->conn.task);
    protocol->ops->free(&protocol);
}

void end_send(struct end *end, struct end *other)
{
    struct protocol *protocol = &end->codec->protocol;
    struct iovec     iov[VECTORS];
    int              n = 0;
    size_t           room = other->wire_bytes - other->sent, sent = 0;

    if (!end->is_lost)
        n = protocol->ops->fill(protocol, iov, 1 + (int)chance(VECTORS));
    room = room > 0 ? some_of(room) : 0;
    for (int i = 0; i < n && sent < room; i++) {
        size_t len = iov[i].iov_len < room - sent ? iov[i].iov_len : room - sent;

        CHECK(len > 0);
        memcpy(other->wire + other->sent, iov[i].iov_base, len);
        other->sent += len;
        sent += len;
    }
    if (sent > 0)
        protocol->ops->sent(protocol, sent);
}

void end_receive(struct end *end)
{
    struct protocol *protocol = &end->codec->protocol;
    struct slice     bytes;
    ssize_t          used;

    if (end->arrived < end->sent)
        end->arrived += some_of(end->sent - end->arrived);
    if (end->is_lost || end->arrived == 0 || protocol->is_paused || protocol->is_closing)
        return;
    bytes = slice_copy(text_of(end->wire, end->arrived));
    used = protocol->ops->feed(protocol, bytes);
    slice_unref(bytes);
    CHECK(used >= 0 && (size_t)used <= end->arrived);
    end->sent -= (size_t)used;
    end->arrived -= (size_t)used;
    memmove(end->wire, end->wire + used, end->sent);
}

void ends_move(struct end *a, struct end *b)
{
    switch (chance(4)) {
    case 0: end_send(a, b); break;
    case 1: end_send(b, a); break;
    case 2: end_receive(b); break;
    default: end_receive(a); break;
    }
}

void end_lose(struct end *end, enum loss why)
{
    if (end->is_lost)
        return;
    end->is_lost = true;
    end->codec->protocol.ops->lost(&end->codec->protocol, why);
}

void ends_run_tasks(void)
{
    task_queue_renew(task_queue_self());
    for (int i = 0; i < ROUNDS && task_queue_run(task_queue_self(), 1); i++)
        continue;
}
