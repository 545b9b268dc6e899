// SPDX-License-Identifier: MIT
/* The age of the newest key travels with the keys, so an upgrade puts no rotation off; the monotonic clock is
 * the machine's, and goes on across an exec. */
#include "main/ticket_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "main/channel.h"

enum { WIRE_MAGIC = 0x66644b31, SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW };

struct ticket_keys {
    struct tls_ticket_keys keys;
    int64_t                made_ms;      /* the newest of them, by the monotonic clock */
};

/* As it stands in the descriptor. */
struct wire {
    uint32_t      magic, count;
    int64_t       made_ms;
    unsigned char secrets[TLS_TICKET_KEYS][TLS_TICKET_SECRET];
};

/* ---- on the way ---- */

int ticket_keys_to_fd(const struct ticket_keys *keys, int *ret_fd)
{
    struct wire wire = { .magic = WIRE_MAGIC, .count = keys->keys.count, .made_ms = keys->made_ms };
    int         error;

    memcpy(wire.secrets, keys->keys.secrets, sizeof(wire.secrets));
    error = text_to_fd(text_of((const char *)&wire, sizeof(wire)), ret_fd);
    explicit_bzero(&wire, sizeof(wire));
    return error;
}

static int wire_read(int fd, struct wire *wire)
{
    struct stat status;
    int         seals = fcntl(fd, F_GET_SEALS);
    ssize_t     len;

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &status) < 0 ||
        status.st_size != sizeof(*wire))
        return -EINVAL;
    do
        len = pread(fd, wire, sizeof(*wire), 0);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return -errno;
    if (len != sizeof(*wire) || wire->magic != WIRE_MAGIC || wire->count == 0 ||
        wire->count > TLS_TICKET_KEYS)
        return -EINVAL;
    return 0;
}

int ticket_keys_from_fd(int fd, struct tls_ticket_keys *ret_keys, int64_t *ret_made_ms)
{
    struct wire wire;
    int         error = wire_read(fd, &wire);

    if (error == 0) {
        memcpy(ret_keys->secrets, wire.secrets, sizeof(wire.secrets));
        ret_keys->count = wire.count;
        *ret_made_ms = wire.made_ms;
    }
    explicit_bzero(&wire, sizeof(wire));
    return error;
}

/* ---- life ---- */

/* From a binary before us that may be another version: then its keys are of no use. */
static bool inherit(struct ticket_keys *keys)
{
    struct text value = text_from(getenv(TICKET_KEYS_VARIABLE));
    uint64_t    number;
    int         error;

    if (value.len == 0)
        return false;
    error = text_to_u64(value, &number) < 0 || number > INT32_MAX ? -EINVAL : 0;
    (void)unsetenv(TICKET_KEYS_VARIABLE);
    if (error == 0)
        error = ticket_keys_from_fd((int)number, &keys->keys, &keys->made_ms);
    if (error == 0)
        (void)close((int)number);
    else
        log_at(LOG_WARN, NULL,
               "the keys of session tickets were not taken over %s: new ones are made",
               log_errno(-error).text);
    return error == 0;
}

static void make(struct ticket_keys *keys, int64_t now_ms)
{
    while (keys->keys.count < TLS_TICKET_KEYS && tls_tickets_rotate(&keys->keys) == 0)
        ;
    keys->made_ms = now_ms;
}

/* The kernel may refuse any of these requests; the keys then are no worse off than all other memory. */
static void page_protect(void *page, size_t size)
{
    (void)mlock(page, size);
    (void)madvise(page, size, MADV_DONTDUMP);
    (void)madvise(page, size, MADV_WIPEONFORK);
}

struct ticket_keys *ticket_keys_new(int64_t now_ms)
{
    struct ticket_keys *keys = mmap(NULL, sizeof(*keys), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (keys == MAP_FAILED) {
        log_at(LOG_ERROR, NULL, "no memory for the keys of session tickets %s",
               log_errno(errno).text);
        return NULL;
    }
    page_protect(keys, sizeof(*keys));
    if (!inherit(keys) || keys->made_ms > now_ms)
        make(keys, now_ms);
    return keys;
}

void ticket_keys_free(struct ticket_keys **keys)
{
    struct ticket_keys *dead = *keys;

    if (dead == NULL)
        return;
    *keys = NULL;
    explicit_bzero(dead, sizeof(*dead));
    (void)munmap(dead, sizeof(*dead));
}

/* ---- the clock ---- */

int64_t ticket_keys_due_ms(const struct ticket_keys *keys, int64_t period_ms)
{
    return keys->made_ms + period_ms;
}

bool ticket_keys_rotate(struct ticket_keys *keys, int64_t period_ms, int64_t now_ms)
{
    int error;

    if (now_ms < ticket_keys_due_ms(keys, period_ms))
        return false;
    keys->made_ms = now_ms;
    error = tls_tickets_rotate(&keys->keys);
    if (error < 0)
        log_at(LOG_ERROR, NULL, "getrandom() failed %s: the keys of session tickets stay",
               log_errno(-error).text);
    return error == 0;
}
