// SPDX-License-Identifier: MIT
/* A second opinion on request heads: nghttp2's own, which our codec does not ask for. */
#ifndef TESTS_FUZZ_H2_ENGINE_H
#define TESTS_FUZZ_H2_ENGINE_H

#include <nghttp2/nghttp2.h>

#include "base/must.h"

struct h2_opinion {
    bool is_head, is_refused;
};

static inline int h2_engine_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    ((struct h2_opinion *)arg)->is_head |= frame->hd.type == NGHTTP2_HEADERS;
    return 0;
}

static inline int h2_engine_bad_field(nghttp2_session *session, const nghttp2_frame *frame,
                                      const uint8_t *name, size_t name_len, const uint8_t *value,
                                      size_t value_len, uint8_t flags, void *arg)
{
    (void)session, (void)frame, (void)name, (void)name_len, (void)value, (void)value_len;
    (void)flags;
    ((struct h2_opinion *)arg)->is_refused = true;
    return 0;
}

/* Moves bytes from one to the other until there is nothing left to say. */
static inline void h2_engine_carry(nghttp2_session *from, nghttp2_session *to)
{
    const uint8_t *bytes;
    ssize_t        len;

    while ((len = nghttp2_session_mem_send(from, &bytes)) > 0)
        must(nghttp2_session_mem_recv(to, bytes, (size_t)len) == len);
    must(len == 0);
}

/* Does nghttp2 as a server take these fields as a request? */
static inline bool h2_engine_accepts(const nghttp2_nv *items, size_t count, bool is_end)
{
    const nghttp2_settings_entry extended = { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 };
    struct h2_opinion            opinion = { .is_head = false };
    nghttp2_session_callbacks   *callbacks;
    nghttp2_session             *client, *server;

    must(nghttp2_session_callbacks_new(&callbacks) == 0);
    must(nghttp2_session_client_new(&client, callbacks, NULL) == 0);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_engine_frame);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, h2_engine_bad_field);
    must(nghttp2_session_server_new(&server, callbacks, &opinion) == 0);
    must(nghttp2_submit_settings(server, NGHTTP2_FLAG_NONE, &extended, 1) == 0);
    must(nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    h2_engine_carry(server, client);
    h2_engine_carry(client, server);
    must(nghttp2_submit_headers(client, is_end ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE, -1,
                                NULL, items, count, NULL)
         > 0);
    h2_engine_carry(client, server);
    nghttp2_session_del(client);
    nghttp2_session_del(server);
    nghttp2_session_callbacks_del(callbacks);
    return opinion.is_head && !opinion.is_refused;
}

#endif
