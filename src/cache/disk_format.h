// SPDX-License-Identifier: MIT
/* Records of the disk tier as bytes, and back. Pure functions, any thread.
 *
 * A record is its meta (a head of fixed size, labels, key, vary, variant, stored head) and behind it
 * the body, each padded to RECORD_ALIGN. The meta's checksum is sealed with the secret seed of the
 * directory and the record's place: what was copied from elsewhere, or made up by who wrote a body,
 * is no record. Everything is little endian. A purge is a record without texts but its prefix.
 *
 * Decoding trusts nothing: lengths are checked against each other and against what is there. */
#ifndef CACHE_DISK_FORMAT_H
#define CACHE_DISK_FORMAT_H

#include "cache/object.h"
#include "cache/purges.h"

enum {
    RECORD_ALIGN = 16,
    RECORD_HEAD_BYTES = 128,
    RECORD_META_MOST = 2 * 1024 * 1024,  /* an object whose texts are longer is not stored */
    RECORD_PREFIX_MOST = 64 * 1024
};

enum record_kind { RECORD_OBJECT = 1, RECORD_PURGE = 2 };

struct record {
    enum record_kind    kind;
    uint64_t            body_len;        /* of the object, wherever its body lies */
    uint64_t            body_checksum;   /* record_body_checksum(), when the body lies in the record */
    uint64_t            large_id;        /* of the file that holds the body; 0: it lies in the record */
    struct object_parts parts;           /* RECORD_OBJECT: borrows from what was decoded */
    struct purge        purge;           /* RECORD_PURGE: the same */
};

/* Where a record lies: number of its segment (never 0), offset in it, and in the lowest bits how much
 * to read for it (record_size_class). 0: nowhere. */
uint64_t record_place(uint32_t segment, uint32_t offset, uint64_t size);
uint32_t record_place_segment(uint64_t place);
uint32_t record_place_offset(uint64_t place);
/* At least the size that the place was made with, at most a quarter more. */
uint64_t record_place_size(uint64_t place);
/* Its body lies in a file of its own; the size tells nothing then. */
bool     record_place_is_large(uint64_t place);

/* What the checksum of a record at this place starts from; the size class does not matter. */
uint64_t record_seal(uint64_t seed, uint64_t place);

/* Bytes of its meta, without padding. */
size_t record_meta_bytes(const struct record *record);
/* With padding: where the next one begins. */
uint64_t record_bytes(const struct record *record);
uint64_t record_padded(uint64_t bytes);
uint64_t record_place_of(const struct record *record, uint32_t segment, uint32_t offset);
/* Writes record_padded(record_meta_bytes()) bytes. */
void record_encode(const struct record *record, uint64_t seal, unsigned char *ret_bytes);

/* How long the meta says that it is, from its first RECORD_HEAD_BYTES; nothing is verified but that
 * it may be a record at all. -EINVAL: it is none. */
int record_measure(const unsigned char head[RECORD_HEAD_BYTES], size_t *ret_meta_bytes) WARN_UNUSED;
/* `meta` begins at a record, 8 byte aligned, and may go on behind its meta. -EAGAIN: it is too short;
 * -EINVAL: none, damaged, or of another place. */
int record_decode(struct text meta, uint64_t seal, struct record *ret_record) WARN_UNUSED;

uint64_t record_body_checksum(uint64_t seed, struct text body);
/* The same of a body in memory, slice by slice. */
uint64_t record_object_checksum(uint64_t seed, const struct object *object);

#endif
