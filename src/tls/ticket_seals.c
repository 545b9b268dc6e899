// SPDX-License-Identifier: MIT
/* A set of seals is immutable; a rotation makes a new one. The old ones stay until the server block goes, since
 * another thread may be using them: some hundred bytes every twelve hours. */
#include "tls/ticket_seals.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include "base/mem.h"
#include "tls/library.h"
#include "tls/tickets.h"

struct seal {
    unsigned char name[16], mac_key[32], key[32];
    bool          is_short;              /* of a file of 48 bytes: AES-128, 16 bytes of mac_key */
};

struct seal_set {
    struct seal_set *former;
    uint64_t         age;                /* of the secrets that it is made of */
    unsigned         count;
    struct seal      seals[];
};

struct tls_ticket_seals {
    _Atomic(struct seal_set *) set;
    pthread_mutex_t            lock;     /* of whoever makes the next one */
    bool                       has_files;
    unsigned char              identity[TLS_IDENTITY_BYTES];
};

static struct seal_set *set_new(unsigned count)
{
    struct seal_set *set = mem_new(sizeof(*set) + count * sizeof(struct seal));

    set->count = count;
    return set;
}

/* Undo of the arena. */
static void seals_free(void *object)
{
    struct tls_ticket_seals *seals = object;
    struct seal_set         *set = atomic_load(&seals->set), *former;

    for (; set != NULL; set = former) {
        former = set->former;
        explicit_bzero(set->seals, set->count * sizeof(struct seal));
        mem_free(set);
    }
    (void)pthread_mutex_destroy(&seals->lock);
}

/* HKDF (RFC 5869) of a secret; `info` is the block's identity, so that no other block has these keys. */
static void seal_derive(const unsigned char *secret, const unsigned char *identity,
                        struct seal *seal)
{
    unsigned char out[16 + 32 + 32];
    EVP_KDF      *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX  *run = EVP_KDF_CTX_new(kdf);
    char          digest[] = "SHA256";
    OSSL_PARAM    params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, TLS_TICKET_SECRET),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)identity,
                                          TLS_IDENTITY_BYTES),
        OSSL_PARAM_construct_end(),
    };

    must(run != NULL && EVP_KDF_derive(run, out, sizeof(out), params) == 1);
    memcpy(seal->name, out, 16);
    memcpy(seal->mac_key, out + 16, 32);
    memcpy(seal->key, out + 48, 32);
    explicit_bzero(out, sizeof(out));
    EVP_KDF_CTX_free(run);
    EVP_KDF_free(kdf);
}

static struct seal_set *set_derive(const struct tls_ticket_seals *seals)
{
    struct tls_ticket_keys keys;
    uint64_t               age = tls_tickets_copy(&keys);
    struct seal_set       *set = set_new(keys.count);

    set->age = age;
    for (unsigned i = 0; i < keys.count; i++)
        seal_derive(keys.secrets[i], seals->identity, &set->seals[i]);
    explicit_bzero(&keys, sizeof(keys));
    return set;
}

static const struct seal_set *set_now(struct tls_ticket_seals *seals)
{
    struct seal_set *set = atomic_load_explicit(&seals->set, memory_order_acquire), *next;

    if (seals->has_files || set->age == tls_tickets_age())
        return set;
    (void)pthread_mutex_lock(&seals->lock);
    set = atomic_load(&seals->set);
    if (set->age != tls_tickets_age()) {
        next = set_derive(seals);
        next->former = set;
        set = next;
        atomic_store_explicit(&seals->set, set, memory_order_release);
    }
    (void)pthread_mutex_unlock(&seals->lock);
    return set;
}

/* The layout of ssl_session_ticket_key: name, AES key, HMAC key of 16 bytes each; or name, HMAC key,
 * AES key of 16, 32 and 32. */
static int seal_read(struct tls_setup *setup, const struct tls_file *file, struct seal *seal)
{
    const char *bytes = file->text.ptr;

    if (file->text.len != 48 && file->text.len != 80)
        return tls_complain(setup, "\"%.*s\" must be 48 or 80 bytes", TEXT_ARGS(file->path));
    seal->is_short = file->text.len == 48;
    memcpy(seal->name, bytes, 16);
    memcpy(seal->key, bytes + (seal->is_short ? 16 : 48), seal->is_short ? 16 : 32);
    memcpy(seal->mac_key, bytes + (seal->is_short ? 32 : 16), seal->is_short ? 16 : 32);
    return 0;
}

struct tls_ticket_seals *tls_ticket_seals_new(struct tls_setup *setup,
                                              const struct tls_text_list *files,
                                              const unsigned char identity[TLS_IDENTITY_BYTES])
{
    struct tls_ticket_seals *seals = ARENA_NEW(setup->arena, struct tls_ticket_seals);
    struct seal_set         *set;
    unsigned                 count = 0;

    for (const struct tls_text_list *at = files; at != NULL; at = at->next)
        count++;
    must(pthread_mutex_init(&seals->lock, NULL) == 0);
    memcpy(seals->identity, identity, TLS_IDENTITY_BYTES);
    seals->has_files = count > 0;
    set = count > 0 ? set_new(count) : set_derive(seals);
    atomic_store(&seals->set, set);
    arena_defer(setup->arena, seals_free, seals);
    for (unsigned i = 0; files != NULL; files = files->next, i++)
        if (seal_read(setup, &files->file, &set->seals[i]) != 0)
            return NULL;
    return seals;
}

static bool seal_begin(const struct seal *seal, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                       EVP_MAC_CTX *mac, bool is_sealing)
{
    char       digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)seal->mac_key,
                                          seal->is_short ? 16 : 32),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_CipherInit_ex(cipher, seal->is_short ? tls_aes128() : tls_aes256(), NULL, seal->key,
                             iv, is_sealing) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

int tls_ticket_seals_use(struct tls_ticket_seals *seals, unsigned char name[16], unsigned char *iv,
                         EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing)
{
    const struct seal_set *set = set_now(seals);

    if (is_sealing) {
        memcpy(name, set->seals[0].name, 16);
        if (RAND_bytes(iv, 16) != 1)
            return -1;
        return seal_begin(&set->seals[0], iv, cipher, mac, true) ? 1 : -1;
    }
    for (unsigned i = 0; i < set->count; i++)
        if (memcmp(set->seals[i].name, name, 16) == 0)
            return !seal_begin(&set->seals[i], iv, cipher, mac, false) ? -1 : i == 0 ? 1 : 2;
    return 0;
}
