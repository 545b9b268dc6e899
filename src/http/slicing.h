// SPDX-License-Identifier: MIT
/* A large body in slices of one size, each asked for by a Range of its own: which ones, and does what came
 * belong together? Pure functions; texts are borrowed. */
#ifndef HTTP_SLICING_H
#define HTTP_SLICING_H

#include "http/head.h"
#include "http/range.h"

/* Where the slice begins that a request needs first, as far as can be said before anything is known of the
 * body: that of a single range that counts from the start; else 0, also with If-Range. */
uint64_t slicing_start(const struct fields *request, uint64_t size);
/* The value of a Range field for it: "bytes=0-99"; and what such a value says. False: it is no such. */
void slicing_write(struct writer *writer, struct range_part asked);
bool slicing_read(struct text value, struct range_part *ret_asked);

enum slicing_fit {
    SLICING_FITS = 0,
    SLICING_STATUS,                      /* not 206 */
    SLICING_INVALID,                     /* no Content-Range, a malformed one, or of something else */
    SLICING_LENGTH_UNKNOWN,              /* of the whole */
    SLICING_UNEXPECTED,                  /* not the bytes that were asked for */
    SLICING_OTHER_LENGTH,                /* another whole than the first one's */
    SLICING_OTHER_VERSION
};

/* Is this the answer to that Range: all of it, or up to the end of the body? With SLICING_FITS sets
 * *ret_length, of the whole. */
enum slicing_fit slicing_judge(const struct head *answer, struct range_part asked,
                               uint64_t *ret_length);
/* Are these fields of one version? Entity tags must be the same to the letter, as for nginx also weak ones;
 * where neither has one, Last-Modified. */
bool slicing_is_one_version(const struct fields *first, const struct fields *other);
/* For the log. */
const char *slicing_words(enum slicing_fit fit);

#endif
