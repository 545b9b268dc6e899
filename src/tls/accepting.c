// SPDX-License-Identifier: MIT
/* The server's side of a handshake. There is no SSL until the client's hello is complete: it is made of the context
 * of the server that the hello names, so that versions, ciphers and rules are that server's from the first
 * message on; and who only opens connections costs some hundred bytes. */
#include "tls/link.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>

#include "base/mem.h"
#include "tls/candidates.h"
#include "tls/library.h"
#include "tls/server_made.h"
#include "tls/stapling.h"

enum { MESSAGES_MOST = 100, EARLY_READ = 16384 };

#define ALPN_HTTP "\x08http/1.1\x08http/1.0\x08http/0.9"
#define ALPN_H2 "\x02h2"

void tls_say(struct tls_link *link, enum log_level level, const char *words)
{
    if (link->host != NULL && link->host->failed != NULL)
        link->host->failed(link->host, level, words);
}

static int broken(struct tls_link *link, int error)
{
    link->stage = TLS_STAGE_BROKEN;
    if (link->error == 0)
        link->error = error;
    return link->error;
}

int tls_step_failed(struct tls_link *link, const char *what, int result)
{
    enum log_level level = !link->is_client ? LOG_INFO : LOG_ERROR;
    char           words[1024] = "";
    struct writer  writer = writer_fixed(words, sizeof(words) - 1);

    if (SSL_get_error(link->ssl, result) == SSL_ERROR_WANT_READ && link->error == 0)
        return -EAGAIN;
    if (link->has_end && ERR_peek_error() == 0) {
        writer_string(&writer, "peer closed connection in SSL handshake");
        (void)broken(link, -ECONNRESET);
    } else if (link->error != 0) {
        writer_format(&writer, "%s failed %s", what, log_errno(-link->error).text);
        tls_errors_drop();
    } else {
        writer_format(&writer, "%s failed", what);
        tls_errors_write(&writer);
    }
    tls_say(link, level, words);
    return broken(link, -EPROTO);
}

/* "unrecognized_name" is 112, "internal_error" 80 (RFC 8446 6.2). */
static int refuse(struct tls_link *link, unsigned char alert, enum log_level level,
                  const char *words)
{
    const unsigned char record[] = { 21, 3, 1, 0, 2, 2, alert };

    wire_write(record, sizeof(record));
    tls_say(link, level, words);
    return broken(link, -EPROTO);
}

static int template_use(struct tls_link *link, const struct tls_pair *pair, struct text name)
{
    char                words[1024] = "";
    struct writer       writer = writer_fixed(words, sizeof(words) - 1);
    struct tls_keypair *found = NULL;
    struct text         certificate, key;

    if (link->host == NULL || link->host->evaluate == NULL ||
        !link->host->evaluate(link->host, pair, name, &certificate, &key))
        return refuse(link, 80, LOG_ERROR, "cannot evaluate the path of a certificate");
    found = tls_candidates_find(link->server->candidates, certificate, key, &writer);
    if (found == NULL)
        return refuse(link, 80, LOG_ERROR, words);
    if (SSL_use_cert_and_key(link->ssl, found->leaf, found->key, found->chain, 1) != 1) {
        tls_keypair_unref(&found);
        tls_errors_drop();
        return refuse(link, 80, LOG_ERROR, "SSL_use_certificate() failed");
    }
    tls_keypair_unref(&found);
    return 0;
}

static int templates_use(struct tls_link *link, struct text name)
{
    int error = 0;

    for (const struct tls_pair *pair = link->server->policy->pairs; pair != NULL && error == 0;
         pair = pair->next)
        if (pair->certificate_template != NULL || pair->key_template != NULL)
            error = template_use(link, pair, name);
    return error;
}

static int ssl_make(struct tls_link *link, struct text name)
{
    const struct tls_server *server = link->server;

    if (name.len > 0)
        link->name = mem_string(name.ptr, name.len);
    link->ssl = SSL_new(server->made);
    if (link->ssl == NULL || wire_attach(link) != 0) {
        tls_errors_drop();
        return broken(link, -ENOMEM);
    }
    tls_link_count(link, TLS_HELD_SHAKING);
    SSL_set_app_data(link->ssl, link);
    SSL_set_accept_state(link->ssl);
    link->record_most = server->policy->buffer_size;
    memcpy(link->rules, server->rules, sizeof(link->rules));
    link->stage = server->policy->has_early_data ? TLS_STAGE_EARLY : TLS_STAGE_SHAKING;
    return server->has_templates ? templates_use(link, name) : 0;
}

static int server_choose(struct tls_link *link, const struct tls_hello *hello)
{
    const struct tls_server *server = link->server;
    struct text              name = text_of(hello->name, hello->name_len);

    if (link->host != NULL && link->host->choose != NULL)
        server = link->host->choose(link->host, name);
    if (server == NULL || server->policy->is_rejecting)
        return refuse(link, 112, LOG_INFO,
                      "SSL_do_handshake() failed (SSL: error:0A0000EA:SSL "
                                           "routines::callback failed)");
    link->server = server;
    return ssl_make(link, name);
}

static int hello_step(struct tls_link *link)
{
    struct tls_hello     hello;
    enum tls_hello_state state;
    int                  error;

    while ((state = tls_hello_read(wire_gathered(), &hello)) == TLS_HELLO_MORE) {
        error = wire_gather(link);
        if (error == -EAGAIN)
            return error;
        if (error != 0 || link->has_end) {
            tls_say(link, LOG_INFO, "peer closed connection in SSL handshake");
            return broken(link, error != 0 ? error : -ECONNRESET);
        }
    }
    if (state == TLS_HELLO_ODD)
        hello.name_len = 0;
    return server_choose(link, &hello);
}

/* Early data counts as the handshake's end for the conn: it reads on, and asks tls_is_early(). */
static int early_step(struct tls_link *link)
{
    unsigned char UNINITIALIZED bytes[EARLY_READ];
    size_t                      len = 0;

    switch (SSL_read_early_data(link->ssl, bytes, sizeof(bytes), &len)) {
    case SSL_READ_EARLY_DATA_FINISH:
        link->stage = TLS_STAGE_SHAKING;
        return 0;
    case SSL_READ_EARLY_DATA_SUCCESS:
        if (!tls_bytes_add(&link->early, bytes, len))
            return broken(link, -ENOMEM);
        link->stage = TLS_STAGE_OPEN;
        link->is_reading_early = link->was_early = true;
        return 0;
    default:
        return tls_step_failed(link, "SSL_read_early_data()", 0);
    }
}

static int shake_step(struct tls_link *link)
{
    int result = SSL_do_handshake(link->ssl);

    if (result != 1)
        return tls_step_failed(link, "SSL_do_handshake()", result);
    link->stage = TLS_STAGE_OPEN;
    return 0;
}

int tls_accept_step(struct tls_link *link)
{
    int error = 0;

    if (link->stage == TLS_STAGE_HELLO)
        error = hello_step(link);
    if (error == 0 && link->stage == TLS_STAGE_EARLY)
        error = early_step(link);
    if (error == 0 && link->stage == TLS_STAGE_SHAKING)
        error = shake_step(link);
    return error;
}

static int alpn_select(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                       const unsigned char *offered, unsigned int len, void *argument)
{
    static const unsigned char ours[] = ALPN_H2 ALPN_HTTP;
    const struct tls_server   *server = argument;
    unsigned                   from = server->policy->has_http2 ? 0 : sizeof(ALPN_H2) - 1;

    (void)ssl;
    if (SSL_select_next_proto((unsigned char **)ret_name, ret_len, ours + from,
                              (unsigned)sizeof(ours) - 1 - from, offered,
                              len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static int staple_give(SSL *ssl, void *argument)
{
    (void)argument;
    return tls_staple_give(link_of_ssl(ssl)->server, ssl);
}

/* Messages of the handshake after its end, as KeyUpdate: each costs us more than its sender. */
void tls_messages_count(const SSL *ssl, int where, int result)
{
    struct tls_link *link = link_of_ssl(ssl);

    (void)result;
    if ((where & SSL_CB_LOOP) != 0 && link->stage == TLS_STAGE_OPEN &&
        ++link->messages > MESSAGES_MOST)
        link->error = -EPROTO;
}

void tls_server_hook(struct tls_server *server)
{
    SSL_CTX_set_alpn_select_cb(server->made, alpn_select, server);
    SSL_CTX_set_info_callback(server->made, tls_messages_count);
    if (server->policy->is_stapling)
        SSL_CTX_set_tlsext_status_cb(server->made, staple_give);
}
