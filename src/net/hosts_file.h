// SPDX-License-Identifier: MIT
/* /etc/hosts: read when it is first needed and again when it has changed. Owner: the resolver of its
 * loop; one thread. */
#ifndef NET_HOSTS_FILE_H
#define NET_HOSTS_FILE_H

#include <sys/stat.h>

#include "net/address.h"

struct hosts_file {
    const char *path;
    char       *bytes;
    size_t      len;
    struct stat seen;                    /* of what was read */
};

void hosts_file_init(struct hosts_file *file, const char *path);
void hosts_file_done(struct hosts_file *file);
/* Appends the addresses of that name (case ignored), at most `room`, each once; returns how many. */
unsigned hosts_file_find(struct hosts_file *file, struct text name, struct address *addresses,
                         unsigned room);
/* Takes the name apart from the text; for tests. */
unsigned hosts_text_find(struct text text, struct text name, struct address *addresses,
                         unsigned room);
/* True, and *seen brought up to date, when the file is another one or has changed since. */
bool file_has_changed(const char *path, struct stat *seen);

#endif
