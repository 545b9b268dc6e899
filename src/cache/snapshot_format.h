// SPDX-License-Identifier: MIT
/* The snapshot of a disk cache's index as bytes, and back. Pure functions, any thread.
 *
 * A file is sections, each with a head that says how long it is and a checksum sealed with the secret
 * seed, its kind and its number in the file: first SNAPSHOT_BEGIN, then whatever there is, and last
 * SNAPSHOT_END with the count of rows. What is cut, damaged or from another cache is known at the
 * section where it happens; the sections before it hold. */
#ifndef CACHE_SNAPSHOT_FORMAT_H
#define CACHE_SNAPSHOT_FORMAT_H

#include <sys/types.h>

#include "cache/disk_index.h"
#include "cache/purges.h"

enum {
    SNAPSHOT_HEAD_BYTES = 24,
    SNAPSHOT_ROW_BYTES = 24,
    SNAPSHOT_SECTION_MOST = 256 * 1024
};

enum { SNAPSHOT_VERSION = 1 };

enum snapshot_kind {
    SNAPSHOT_BEGIN = 1,                  /* struct snapshot_position */
    SNAPSHOT_VARY,                       /* number and text */
    SNAPSHOT_PURGE,
    SNAPSHOT_LARGE,                      /* struct snapshot_large, several */
    SNAPSHOT_ROWS,                       /* of the index, several */
    SNAPSHOT_END
};

/* The log up to here is in the snapshot. */
struct snapshot_position {
    uint32_t segment, version;
    uint64_t offset;
};

/* A body in a file of its own, and the record that names it. */
struct snapshot_large {
    uint64_t id, bytes, place, hash_low, hash_high;
};

struct snapshot_head {
    enum snapshot_kind kind;
    uint32_t           len;              /* of what follows */
    uint64_t           checksum;
};

void snapshot_head_encode(const struct snapshot_head *head, unsigned char ret_bytes[SNAPSHOT_HEAD_BYTES]);
int  snapshot_head_decode(const unsigned char bytes[SNAPSHOT_HEAD_BYTES],
                          struct snapshot_head *ret_head) WARN_UNUSED;
uint64_t snapshot_checksum(uint64_t seed, enum snapshot_kind kind, uint64_t number, struct text payload);

void snapshot_row_encode(const struct index_row *row, unsigned char ret_bytes[SNAPSHOT_ROW_BYTES]);
void snapshot_row_decode(const unsigned char bytes[SNAPSHOT_ROW_BYTES], struct index_row *ret_row);

/* Of SNAPSHOT_PURGE: the length, and into that many bytes. */
size_t snapshot_purge_bytes(const struct purge *purge);
void   snapshot_purge_encode(const struct purge *purge, unsigned char *ret_bytes);
int    snapshot_purge_decode(struct text payload, struct purge *ret_purge) WARN_UNUSED;

/* ---- a whole file ---- */

struct snapshot_source {
    /* As many bytes as are there, at most `len`; fewer only at the end; -errno. */
    ssize_t (*read)(struct snapshot_source *source, void *buffer, size_t len);
};

/* What is found, in its order; each may refuse with -errno, which ends the reading. */
struct snapshot_sink {
    int (*begin)(struct snapshot_sink *sink, const struct snapshot_position *position);
    int (*vary)(struct snapshot_sink *sink, uint16_t number, struct text vary);
    int (*purge)(struct snapshot_sink *sink, const struct purge *purge);
    int (*large)(struct snapshot_sink *sink, const struct snapshot_large *large);
    int (*row)(struct snapshot_sink *sink, const struct index_row *row);
};

/* 0: all of it, to its end; -EINVAL: damaged or of another version; -errno of the source. */
int snapshot_read(struct snapshot_source *source, uint64_t seed, struct snapshot_sink *sink)
    WARN_UNUSED;

#endif
