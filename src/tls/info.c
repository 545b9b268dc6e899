// SPDX-License-Identifier: MIT
/* What a handshake has agreed on, as nginx's $ssl_* variables say it. */
#include "tls/info.h"

#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>

#include "base/writer.h"
#include "tls/link.h"
#include "tls/server_made.h"

/* NULL: no TLS, or nothing agreed on yet. */
static SSL *ssl_of(const struct transport *transport)
{
    return tls_is_tls(transport) ? link_of(transport)->ssl : NULL;
}

struct text tls_alpn(const struct transport *transport)
{
    SSL                 *ssl = ssl_of(transport);
    const unsigned char *name = NULL;
    unsigned             len = 0;
    struct text          alpn;

    if (ssl != NULL)
        SSL_get0_alpn_selected(ssl, &name, &len);
    alpn = text_of((const char *)name, len);
    if (text_is_equal(alpn, TEXT("h2")))
        return TEXT("h2");
    if (text_is_equal(alpn, TEXT("http/1.1")))
        return TEXT("http/1.1");
    if (text_is_equal(alpn, TEXT("http/1.0")))
        return TEXT("http/1.0");
    return text_is_equal(alpn, TEXT("http/0.9")) ? TEXT("http/0.9") : TEXT("");
}

bool tls_may_serve(const struct transport *transport, const struct tls_server *server)
{
    return !tls_is_tls(transport) ||
           memcmp(link_of(transport)->rules, server->rules, TLS_IDENTITY_BYTES) == 0;
}

bool tls_is_early(const struct transport *transport)
{
    SSL *ssl = ssl_of(transport);

    return ssl != NULL && link_of(transport)->was_early && !SSL_is_init_finished(ssl);
}

long tls_verify_result(const struct transport *transport, bool *ret_has_certificate)
{
    SSL *ssl = ssl_of(transport);

    *ret_has_certificate = ssl != NULL && SSL_get0_peer_certificate(ssl) != NULL;
    return *ret_has_certificate ? SSL_get_verify_result(ssl) : X509_V_OK;
}

struct text tls_protocol(const struct transport *transport)
{
    SSL *ssl = ssl_of(transport);

    return ssl == NULL ? TEXT("") : text_from(SSL_get_version(ssl));
}

struct text tls_cipher(const struct transport *transport)
{
    const SSL        *ssl = ssl_of(transport);
    const SSL_CIPHER *cipher = ssl == NULL ? NULL : SSL_get_current_cipher(ssl);

    return cipher == NULL ? TEXT("") : text_from(SSL_CIPHER_get_name(cipher));
}

/* Two bytes each. */
static size_t ciphers_raw(SSL *ssl, const unsigned char **ret_raw)
{
    return SSL_get0_raw_cipherlist(ssl, NULL) == 2 ? (size_t)SSL_get0_raw_cipherlist(ssl, ret_raw) : 0;
}

/* Names that we know, numbers of others, in the client's order. */
struct text tls_ciphers(const struct transport *transport, struct arena *arena)
{
    SSL                 *ssl = ssl_of(transport);
    const unsigned char *raw = NULL;
    size_t               len = ssl == NULL ? 0 : ciphers_raw(ssl, &raw);
    struct writer        writer = writer_arena(arena, 256);

    for (size_t i = 0; i + 2 <= len; i += 2) {
        const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, raw + i);

        if (i > 0)
            writer_char(&writer, ':');
        if (cipher != NULL)
            writer_string(&writer, SSL_CIPHER_get_name(cipher));
        else
            writer_format(&writer, "0x%02x%02x", raw[i], raw[i + 1]);
    }
    return writer_done(&writer);
}

static void group_write(struct writer *writer, int group)
{
    if ((group & TLSEXT_nid_unknown) != 0)
        writer_format(writer, "0x%04x", (unsigned)group & 0xffff);
    else
        writer_string(writer, OBJ_nid2sn(group));
}

struct text tls_curve(const struct transport *transport, struct arena *arena)
{
    SSL          *ssl = ssl_of(transport);
    int           group = ssl == NULL ? NID_undef : (int)SSL_get_negotiated_group(ssl);
    struct writer writer = writer_arena(arena, 32);

    if (group != NID_undef)
        group_write(&writer, group);
    return writer_done(&writer);
}

struct text tls_curves(const struct transport *transport, struct arena *arena)
{
    SSL          *ssl = ssl_of(transport);
    int           count = ssl == NULL ? 0 : (int)SSL_get1_curves(ssl, NULL);
    struct writer writer = writer_arena(arena, 128);
    int          *groups;

    if (count <= 0)
        return TEXT("");
    groups = ARENA_ARRAY(arena, int, (size_t)count);
    (void)SSL_get1_curves(ssl, groups);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            writer_char(&writer, ':');
        group_write(&writer, groups[i]);
    }
    return writer_done(&writer);
}

struct text tls_server_name(const struct transport *transport, struct arena *arena)
{
    (void)arena;
    return !tls_is_tls(transport) || link_of(transport)->name == NULL
               ? TEXT("")
               : text_from(link_of(transport)->name);
}

struct text tls_session_id(const struct transport *transport, struct arena *arena)
{
    SSL                 *ssl = ssl_of(transport);
    const SSL_SESSION   *kept = ssl == NULL ? NULL : SSL_get0_session(ssl);
    struct writer        writer = writer_arena(arena, 64);
    const unsigned char *id;
    unsigned             len;

    if (kept == NULL)
        return TEXT("");
    id = SSL_SESSION_get_id(kept, &len);
    for (unsigned i = 0; i < len; i++)
        writer_format(&writer, "%02x", id[i]);
    return writer_done(&writer);
}

bool tls_is_resumed(const struct transport *transport)
{
    SSL *ssl = ssl_of(transport);

    return ssl != NULL && SSL_session_reused(ssl) == 1;
}
