// SPDX-License-Identifier: MIT
/* SipHash-2-4 (Aumasson, Bernstein 2012). The key is drawn once per process, before any map exists,
 * and children that are forked later keep it: their inherited maps were built with it. */
#include "base/hash.h"

#include <endian.h>
#include <pthread.h>
#include <stdbool.h>
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

static void round_once(struct siphash *s)
{
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

static void absorb(struct siphash *s, uint64_t word)
{
    s->v3 ^= word;
    round_once(s);
    round_once(s);
    s->v0 ^= word;
}

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return le64toh(word);
}

/* The bytes after the last whole word; the highest byte stays free for the length. */
static uint64_t last_word(const unsigned char *bytes, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len % 8; i++)
        word |= (uint64_t)bytes[len - len % 8 + i] << (8 * i);
    return word;
}

static uint64_t finish(struct siphash *s)
{
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        round_once(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static uint64_t fold(uint64_t word, bool is_nocase)
{
    return is_nocase ? text_lower_eight(word) : word;
}

static uint64_t run(const unsigned char secret[16], const unsigned char *bytes, size_t len,
                    bool is_nocase)
{
    uint64_t       k0 = word_at(secret), k1 = word_at(secret + 8);
    struct siphash s = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                         k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };

    for (size_t at = 0; at + 8 <= len; at += 8)
        absorb(&s, fold(word_at(bytes + at), is_nocase));
    absorb(&s, fold(last_word(bytes, len), is_nocase) | (uint64_t)(len & 0xff) << 56);
    return finish(&s);
}

static const unsigned char *bytes_of(struct text text)
{
    return (const unsigned char *)(text.ptr != NULL ? text.ptr : "");
}

uint64_t hash_siphash(const unsigned char secret[16], const void *bytes, size_t len)
{
    return run(secret, bytes, len, false);
}

uint64_t hash_text(struct text text)
{
    pthread_once(&key_once, key_draw);
    return run(key, bytes_of(text), text.len, false);
}

uint64_t hash_text_nocase(struct text text)
{
    pthread_once(&key_once, key_draw);
    return run(key, bytes_of(text), text.len, true);
}
