// SPDX-License-Identifier: MIT
/* The first bytes of a client: by our reader of hellos, and by a transport that accepts. Checked: every part of a
 * complete hello asks for more; a name is one that a server may have; the server is asked for once at most, and what
 * the connection calls its name is what it was asked by; whatever comes, the handshake ends. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/arena.h"
#include "base/mem.h"
#include "net/transport.h"
#include "tls/hello.h"
#include "tls/info.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct tls_server *server;

static struct text pem_of(BIO *bio)
{
    char *bytes;
    long  len = BIO_get_mem_data(bio, &bytes);

    return text_of(bytes, (size_t)len);    /* the BIO stays: both live as long as the process */
}

static void server_make(void)
{
    static struct tls_pair   pair;
    static struct tls_policy policy;
    struct tls_complaint     complaint;
    EVP_PKEY                *key = EVP_EC_gen("P-256");
    X509                    *x509 = X509_new();
    static BIO              *bios[2];

    bios[0] = BIO_new(BIO_s_mem());
    bios[1] = BIO_new(BIO_s_mem());
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    X509_set_pubkey(x509, key);
    must(X509_sign(x509, key, EVP_sha256()) > 0);
    must(PEM_write_bio_X509(bios[0], x509) == 1);
    must(PEM_write_bio_PrivateKey(bios[1], key, NULL, NULL, 0, NULL, NULL) == 1);
    X509_free(x509);
    EVP_PKEY_free(key);
    pair.certificate.text = pem_of(bios[0]);
    pair.key.text = pem_of(bios[1]);
    policy = (struct tls_policy){ .pairs = &pair, .versions = TLS_VERSION_1_2 | TLS_VERSION_1_3,
                                  .has_tickets = true, .has_early_data = true, .has_http2 = true,
                                  .session_timeout_s = 300 };
    server = tls_server_new(arena_new(), &policy, &complaint);
    must(server != NULL);
}

static char     seen[TLS_NAME_BYTES];
static unsigned asked;

static const struct tls_server *choose(struct tls_host *host, struct text name)
{
    (void)host;
    must(name.len < sizeof(seen));
    memcpy(seen, name.ptr, name.len);
    seen[name.len] = '\0';
    asked++;
    return server;
}

static void check_name(const struct tls_hello *hello)
{
    must(hello->name_len < TLS_NAME_BYTES);
    for (unsigned i = 0; i < hello->name_len; i++)
        must(strchr("abcdefghijklmnopqrstuvwxyz0123456789-._", hello->name[i]) != NULL &&
             hello->name[i] != '\0');
}

static void check_read(struct text all)
{
    struct tls_hello     hello, again;
    enum tls_hello_state state = tls_hello_read(all, &hello), part;

    check_name(&hello);
    for (size_t at = 0; at < all.len; at += at < 64 ? 1 : 97) {
        part = tls_hello_read(text_part(all, 0, at), &again);
        must(part == TLS_HELLO_MORE || part == state);
        must(part != TLS_HELLO_WHOLE || (again.name_len == hello.name_len &&
                                         memcmp(again.name, hello.name, hello.name_len) == 0));
    }
}

/* Half of it was read before, the other half comes, then nothing more. */
static void check_accept(struct text all)
{
    struct tls_host  host = { .choose = choose };
    struct transport transport;
    struct arena    *arena = arena_new();
    char             room[512];
    int              ends[2], error = -EAGAIN;

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    asked = 0;
    transport = tls_accept(ends[0], server, &host, text_part(all, 0, all.len / 2));
    for (unsigned i = 0; i < 4 && error == -EAGAIN; i++) {
        error = transport.ops->handshake(&transport);
        if (i == 0)
            must(send(ends[1], all.ptr + all.len / 2, all.len - all.len / 2, 0) >= 0);
        if (i == 2)
            (void)shutdown(ends[1], SHUT_WR);
    }
    must(asked <= 1);
    must(error != -EAGAIN);
    if (error == 0)
        (void)!transport.ops->read(&transport, room, sizeof(room));
    (void)tls_alpn(&transport);
    (void)tls_ciphers(&transport, arena);
    (void)tls_curves(&transport, arena);
    must(text_is_equal(tls_server_name(&transport, arena), text_from(seen)));
    transport.ops->close(&transport);
    (void)close(ends[1]);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *exact;

    if (server == NULL)
        server_make();
    if (len > 32 * 1024)
        return 0;
    exact = mem_new(len);
    memcpy(exact, bytes, len);
    seen[0] = '\0';
    check_read(text_of(exact, len));
    check_accept(text_of(exact, len));
    mem_free(exact);
    return 0;
}
