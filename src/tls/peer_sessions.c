// SPDX-License-Identifier: MIT
/* A peer's tls_memory: the latest session of each kind of connection (identity of the context, name), few of them.
 * OpenSSL's sessions are no thing to share between threads: what is kept here is a copy, touched under the lock
 * alone, and each connection gets one of its own. */
#include "tls/client_made.h"

#include <pthread.h>

#include "base/hash.h"
#include "base/mem.h"

enum { KEPT_MOST = 8 };

struct tls_memory {
    pthread_mutex_t lock;
    unsigned        next;                /* is replaced when a new kind comes */
    struct {
        SSL_SESSION *kept;
        uint64_t     identity, name;     /* its hash */
    } rows[KEPT_MOST];
};

struct tls_memory *tls_memory_new(void)
{
    struct tls_memory *memory = mem_new(sizeof(*memory));

    must(pthread_mutex_init(&memory->lock, NULL) == 0);
    return memory;
}

void tls_memory_free(struct tls_memory **memory)
{
    struct tls_memory *done = *memory;

    *memory = NULL;
    if (done == NULL)
        return;
    for (unsigned i = 0; i < KEPT_MOST; i++)
        SSL_SESSION_free(done->rows[i].kept);
    (void)pthread_mutex_destroy(&done->lock);
    mem_free(done);
}

/* KEPT_MOST: there is none. */
static unsigned find(const struct tls_memory *memory, uint64_t identity, uint64_t name)
{
    unsigned i = 0;

    while (i < KEPT_MOST && (memory->rows[i].kept == NULL || memory->rows[i].identity != identity ||
                             memory->rows[i].name != name))
        i++;
    return i;
}

void tls_memory_use(struct tls_memory *memory, SSL *ssl, uint64_t identity, struct text name)
{
    uint64_t     hash = hash_text(name);
    SSL_SESSION *copy = NULL;
    unsigned     i;

    (void)pthread_mutex_lock(&memory->lock);
    i = find(memory, identity, hash);
    if (i < KEPT_MOST)
        copy = SSL_SESSION_dup(memory->rows[i].kept);
    (void)pthread_mutex_unlock(&memory->lock);
    if (copy != NULL) {
        (void)SSL_set_session(ssl, copy);
        SSL_SESSION_free(copy);
    }
}

void tls_memory_keep(struct tls_memory *memory, const SSL_SESSION *kept, uint64_t identity,
                     struct text name)
{
    uint64_t     hash = hash_text(name);
    SSL_SESSION *former, *copy = SSL_SESSION_dup(kept);
    unsigned     i;

    if (copy == NULL)
        return;
    (void)pthread_mutex_lock(&memory->lock);
    i = find(memory, identity, hash);
    if (i == KEPT_MOST) {
        i = memory->next;
        memory->next = (memory->next + 1) % KEPT_MOST;
    }
    former = memory->rows[i].kept;
    memory->rows[i].kept = copy;
    memory->rows[i].identity = identity;
    memory->rows[i].name = hash;
    (void)pthread_mutex_unlock(&memory->lock);
    SSL_SESSION_free(former);
}
