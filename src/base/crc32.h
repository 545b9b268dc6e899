// SPDX-License-Identifier: MIT
/* CRC-32 as zip, PNG and memcached's clients have it (ISO 3309, reflected 0xEDB88320). Not against
 * attackers: hash_text() is. Pure functions, any thread. */
#ifndef BASE_CRC32_H
#define BASE_CRC32_H

#include "base/text.h"

/* The checksum of what `checksum` stands for (0: nothing yet) with `text` behind it. */
uint32_t crc32_add(uint32_t checksum, struct text text);

#endif
