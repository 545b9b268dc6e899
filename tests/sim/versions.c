// SPDX-License-Identifier: MIT
/* The ledger of versions, and the rooms. */
#include <string.h>

#include "schedule.h"
#include "versions.h"

const struct cached_room cached_rooms[] = {
    { "/a", "proxy_cache big; proxy_pass http://one;", .is_strict = true, .tries_most = 2 },
    { "/b", "proxy_cache big; proxy_pass http://two;", .tries_most = 4 },
    { "/small", "proxy_cache small; proxy_pass http://one;", .tries_most = 2 },
    { "/stale",
      "proxy_cache big; proxy_pass http://two; proxy_cache_use_stale error timeout updating"
      " http_500 http_503; proxy_cache_background_update on; proxy_cache_revalidate on;",
      .may_be_stale = true, .tries_most = 4 },
    { "/hasty",
      "proxy_cache big; proxy_pass http://one; proxy_cache_lock_timeout 300ms;"
      " proxy_cache_lock_age 500ms; proxy_cache_revalidate on;",
      .tries_most = 2 },
    { "/alone", "proxy_cache big; proxy_cache_lock off; proxy_pass http://one;", .tries_most = 2 },
    { "/often", "proxy_cache small; proxy_cache_min_uses 2; proxy_pass http://two;"
      " limit_rate 300k;", .tries_most = 4 },
};

const unsigned cached_room_count = sizeof(cached_rooms) / sizeof(cached_rooms[0]);

static struct version versions[VERSIONS_MOST];
static unsigned       count;

void versions_begin(void)
{
    memset(versions, 0, count * sizeof(versions[0]));
    count = 0;
}

struct version *version_new(unsigned room, unsigned key)
{
    must(count < VERSIONS_MOST);
    versions[count] = (struct version){ .number = count + 1, .room = room, .key = key };
    return &versions[count++];
}

struct version *version_find(unsigned number)
{
    if (number == 0 || number > count)
        FAIL("nobody said version %u", number);
    return &versions[number - 1];
}

struct version *version_last(unsigned room, unsigned key)
{
    for (unsigned i = count; i > 0; i--)
        if (versions[i - 1].room == room && versions[i - 1].key == key && !versions[i - 1].is_cut &&
            versions[i - 1].status == 200 && !versions[i - 1].is_post)
            return &versions[i - 1];
    return NULL;
}
