// SPDX-License-Identifier: MIT
/* SipHash-2-4 (Aumasson, Bernstein 2012). */
#include "base/hash.h"

#include <pthread.h>
#include <string.h>

#include "base/random.h"

struct siphash {
    uint64_t v0, v1, v2, v3;
};

static unsigned char  key[16];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void key_draw(void)
{
    random_secret(key, sizeof(key));
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void rounds(struct siphash *s, int count)
{
    while (count-- > 0) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static uint64_t little_endian(const unsigned char *bytes, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static uint64_t run(const unsigned char secret[16], const unsigned char *bytes, size_t len,
                    unsigned char fold)
{
    uint64_t       k0 = little_endian(secret, 8), k1 = little_endian(secret + 8, 8);
    struct siphash s = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                         k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };
    size_t         whole = len / 8 * 8;

    for (size_t at = 0; at <= whole; at += 8) {
        size_t        n = at < whole ? 8 : len - whole;
        unsigned char piece[8];
        uint64_t      word;

        memcpy(piece, bytes + at, n);
        if (fold)
            for (size_t i = 0; i < n; i++)
                piece[i] = (unsigned char)text_lower_char((char)piece[i]);
        word = little_endian(piece, n) | (at < whole ? 0 : (uint64_t)(len & 0xff) << 56);
        s.v3 ^= word;
        rounds(&s, 2);
        s.v0 ^= word;
    }
    s.v2 ^= 0xff;
    rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static const unsigned char *bytes_of(struct text text)
{
    return (const unsigned char *)(text.ptr != NULL ? text.ptr : "");
}

uint64_t hash_siphash(const unsigned char secret[16], const void *bytes, size_t len)
{
    return run(secret, bytes, len, 0);
}

uint64_t hash_text(struct text text)
{
    pthread_once(&key_once, key_draw);
    return run(key, bytes_of(text), text.len, 0);
}

uint64_t hash_text_nocase(struct text text)
{
    pthread_once(&key_once, key_draw);
    return run(key, bytes_of(text), text.len, 1);
}
