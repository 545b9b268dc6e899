// SPDX-License-Identifier: MIT
/* Certificates, keys and other files that directives name: read through the configuration's source, so
 * they are part of its bundle and nobody opens them later. What is in them is never printed. */
#ifndef CONFIG_TLS_FILES_H
#define CONFIG_TLS_FILES_H

#include "config/lexer.h"
#include "tls/policy.h"

struct compiler;
struct template;

/* Largest file; and of those that paths with variables match: how many there are in a configuration, and
 * their bytes. */
enum { TLS_FILE_MOST = 1024 * 1024, TLS_CANDIDATES_MOST = 4096, TLS_CANDIDATES_BYTES = 64 * 1024 * 1024 };

/* What a file is, for nginx's sentence when it can't be read. */
enum tls_file_kind { TLS_FILE_CERTIFICATE = 0, TLS_FILE_KEY, TLS_FILE_CA, TLS_FILE_CRL, TLS_FILE_OTHER, TLS_FILE_PLAIN };

/* One certificate, or one key, as it was written. */
struct tls_item {
    struct tls_item       *next;
    const struct word     *word;
    const char            *directive;    /* "ssl_certificate" and so on */
    struct tls_file        file;         /* unless it has variables: */
    const struct template *template;
    struct text            pattern;      /* of its files, for glob(); empty: of "data:..." */
    size_t                 cut;          /* bytes of a path that its value does not have */
};
struct tls_items { struct tls_item *certificates, *keys; };

/* Relative to the directory of the configuration file, as nginx has it. `ret_cut`: how many bytes were put in
 * front. */
struct text tls_path(const struct compiler *compiler, struct text path, size_t *ret_cut);
/* nginx's words for one that cannot be read, without the error. */
struct text tls_file_sentence(const struct compiler *compiler, enum tls_file_kind kind,
                              struct text path);
void tls_file_complain(struct compiler *compiler, const struct word *word, enum tls_file_kind kind,
                       struct text path, int error);
/* The file at that path. False after a complaint. */
bool tls_file_read(struct compiler *compiler, const struct word *word, enum tls_file_kind kind,
                   struct tls_file *ret_file);
/* The same for an absolute path, without a complaint: 0 or -errno. */
int  tls_path_read(struct compiler *compiler, struct text path, struct text *ret_text);
/* A path, "data:...", or either with variables. Never NULL: after a complaint it is one without a text. */
struct tls_item *tls_item_new(struct compiler *compiler, const struct word *word,
                              enum tls_file_kind kind);
/* The n-th certificate with the n-th key, and the files among which those with variables choose. False after a
 * complaint: there are more certificates than keys. */
bool tls_items_pair(struct compiler *compiler, const struct tls_items *items,
                    struct tls_pair **ret_pairs, struct tls_candidate **ret_candidates);

#endif
