// SPDX-License-Identifier: MIT
/* A table of files by path, and one of pairs that were read, by both paths. A pair that cannot be read is
 * tried anew each time, as nginx does. */
#include "tls/candidates.h"

#include <pthread.h>

#include <openssl/err.h>

#include "base/map.h"
#include "base/mem.h"

struct kept {
    struct kept        *next;
    struct tls_keypair *pair;
    struct text         name;            /* both paths, with a NUL between; allocated */
};

struct tls_candidates {
    struct map                 *files;   /* path -> struct tls_file; immutable */
    const struct tls_text_list *passwords;
    pthread_mutex_t             lock;    /* of what follows */
    struct map                 *pairs;   /* name -> struct kept */
    struct kept                *all;
};

static void forget_all(struct tls_candidates *candidates)
{
    struct kept *next;

    map_free(&candidates->pairs);
    for (struct kept *at = candidates->all; at != NULL; at = next) {
        next = at->next;
        tls_keypair_unref(&at->pair);
        mem_free((void *)at->name.ptr);
        mem_free(at);
    }
    candidates->all = NULL;
}

/* Undo of the arena. */
static void candidates_free(void *object)
{
    struct tls_candidates *candidates = object;

    forget_all(candidates);
    map_free(&candidates->files);
    (void)pthread_mutex_destroy(&candidates->lock);
}

struct tls_candidates *tls_candidates_new(struct arena *arena, const struct tls_candidate *files,
                                          const struct tls_text_list *passwords)
{
    struct tls_candidates *candidates = ARENA_NEW(arena, struct tls_candidates);

    candidates->files = map_new(false);
    candidates->pairs = map_new(false);
    candidates->passwords = passwords;
    must(pthread_mutex_init(&candidates->lock, NULL) == 0);
    for (; files != NULL; files = files->next)
        (void)map_add(candidates->files, files->file.path, (void *)&files->file);
    arena_defer(arena, candidates_free, candidates);
    return candidates;
}

/* "data:" is followed by the PEM itself. It may be a key: the path for messages is only the word. */
static bool file_find(const struct tls_candidates *candidates, struct text path,
                      struct tls_file *ret_file)
{
    const struct tls_file *found;

    if (text_has_prefix(path, TEXT("data:"))) {
        *ret_file = (struct tls_file){ .path = TEXT("data:"), .text = text_from_offset(path, 5) };
        return true;
    }
    found = map_get(candidates->files, path);
    if (found != NULL)
        *ret_file = *found;
    return found != NULL;
}

static struct tls_keypair *pair_read(const struct tls_candidates *candidates,
                                     struct text certificate, struct text key,
                                     struct writer *reterr_words)
{
    struct arena        *arena = arena_new();
    struct tls_complaint complaint = { .words = TEXT_NONE };
    struct tls_setup     setup = { .arena = arena, .complaint = &complaint };
    struct tls_keypair  *pair = NULL;
    struct tls_file      files[2];

    if (!file_find(candidates, certificate, &files[0]))
        (void)tls_complain(&setup,
                           "cannot load certificate \"%.*s\": it was not there when the "
                           "configuration was read",
                           TEXT_ARGS(certificate));
    else if (!file_find(candidates, key, &files[1]))
        (void)tls_complain(&setup,
                           "cannot load certificate key \"%.*s\": it was not there when the "
                           "configuration was read",
                           TEXT_ARGS(key));
    else
        (void)tls_keypair_read(&setup, &files[0], &files[1], candidates->passwords, &pair);
    if (pair == NULL)
        writer_text(reterr_words, complaint.words);
    arena_free(&arena);
    return pair;
}

/* Takes the name. Another thread may have been quicker: then its pair is as good. */
static void keep(struct tls_candidates *candidates, char *name, size_t len,
                 struct tls_keypair *pair)
{
    struct kept *kept = mem_new(sizeof(*kept));

    *kept = (struct kept){ .pair = pair, .name = text_of(name, len) };
    (void)pthread_mutex_lock(&candidates->lock);
    if (map_count(candidates->pairs) >= TLS_PAIRS_KEPT) {
        forget_all(candidates);
        candidates->pairs = map_new(false);
    }
    if (map_add(candidates->pairs, kept->name, kept)) {
        tls_keypair_ref(pair);
        kept->next = candidates->all;
        candidates->all = kept;
        kept = NULL;
    }
    (void)pthread_mutex_unlock(&candidates->lock);
    if (kept != NULL)
        mem_free(name);
    mem_free(kept);
}

static struct tls_keypair *find_kept(struct tls_candidates *candidates, struct text name)
{
    struct tls_keypair *pair = NULL;
    const struct kept  *kept;

    (void)pthread_mutex_lock(&candidates->lock);
    kept = map_get(candidates->pairs, name);
    if (kept != NULL) {
        pair = kept->pair;
        tls_keypair_ref(pair);
    }
    (void)pthread_mutex_unlock(&candidates->lock);
    return pair;
}

struct tls_keypair *tls_candidates_find(struct tls_candidates *candidates, struct text certificate,
                                        struct text key, struct writer *reterr_words)
{
    struct writer       name = writer_fixed(mem_new(certificate.len + key.len + 1),
                                            certificate.len + key.len + 1);
    struct tls_keypair *pair;

    writer_text(&name, certificate);
    writer_char(&name, '\0');
    writer_text(&name, key);
    pair = find_kept(candidates, writer_done(&name));
    if (pair != NULL) {
        mem_free(name.ptr);
        return pair;
    }
    pair = pair_read(candidates, certificate, key, reterr_words);
    if (pair != NULL)
        keep(candidates, name.ptr, name.len, pair);
    else
        mem_free(name.ptr);
    return pair;
}
