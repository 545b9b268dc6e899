// SPDX-License-Identifier: MIT
#include "proxy/imagined.h"

#include "proxy/client.h"

struct nowhere {
    struct client client;
    struct conn   conn;
    struct stream stream;
};

struct exchange *exchange_imagine(struct arena *arena, struct loop *loop, struct snapshot *snapshot,
                                  const struct listen *listen, struct head *request)
{
    enum { ALIGNMENT = _Alignof(struct exchange) };
    struct nowhere  *nowhere = ARENA_NEW(arena, struct nowhere);
    char            *bytes = arena_get(arena, sizeof(struct exchange) + ALIGNMENT);
    struct exchange *x = (void *)(bytes + (ALIGNMENT - (uintptr_t)bytes % ALIGNMENT) % ALIGNMENT);
    struct address   any = address_any_v4(0);

    nowhere->conn.transport.fd = -1;
    nowhere->conn.is_closed = true;
    nowhere->client.remote = address_shorten(&any);
    nowhere->client.connected_ms = loop_now_ms(loop);
    nowhere->stream.conn = &nowhere->conn;
    nowhere->stream.arena = arena;
    nowhere->stream.rx_head = request;
    nowhere->stream.started_us = loop_now_us(loop);
    nowhere->stream.number = 1;
    x->arena = arena;
    x->loop = loop;
    x->snapshot = snapshot;
    x->client_conn = &nowhere->client;
    x->client = &nowhere->stream;
    x->request = request;
    x->listen = listen;
    x->scope.arena = arena;
    x->scope.slot_count = snapshot->site->slot_count;
    x->scope.slots = ARENA_ARRAY(arena, struct text, x->scope.slot_count + 1);
    return x;
}
