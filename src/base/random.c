// SPDX-License-Identifier: MIT
/* xoshiro256** per thread (Blackman, Vigna 2018). A forked child would repeat its parent's numbers,
 * so it forgets the seed of the one thread that it has. */
#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/random.h>
#include <threads.h>

#include "base/must.h"

static thread_local uint64_t state[4];
static thread_local bool     is_seeded;
static pthread_once_t        fork_once = PTHREAD_ONCE_INIT;

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void seed_forget(void)
{
    is_seeded = false;
}

static void fork_watch(void)
{
    must(pthread_atfork(NULL, NULL, seed_forget) == 0);
}

static void seed_draw(void)
{
    pthread_once(&fork_once, fork_watch);
    random_secret(state, sizeof(state));
    state[0] |= 1;   /* all zeros would stay so */
    is_seeded = true;
}

uint64_t random_u64(void)
{
    uint64_t result, carried;

    if (!is_seeded)
        seed_draw();
    result = rotate(state[1] * 5, 7) * 9;
    carried = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= carried;
    state[3] = rotate(state[3], 45);
    return result;
}

uint64_t random_below(uint64_t limit)
{
    uint64_t unfair, number;

    must(limit > 0);
    unfair = (0 - limit) % limit;   /* numbers below this would favour small results */
    do
        number = random_u64();
    while (number < unfair);
    return number % limit;
}

void random_secret(void *ret_bytes, size_t len)
{
    unsigned char *at = ret_bytes;

    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);

        must(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}
