// SPDX-License-Identifier: MIT
#include "proxy/client_log.h"

#include <stdarg.h>
#include <stdio.h>

#include "proxy/client.h"

enum { LINE_MOST = 1024 };

struct speaker {
    struct log_scope     scope;
    const struct client *client;
};

static void describe(const struct log_scope *scope, struct writer *writer)
{
    const struct speaker *speaker = container_of(scope, struct speaker, scope);
    struct address        remote = client_remote(speaker->client);

    writer_string(writer, ", client: ");
    address_write_ip(writer, &remote);
    writer_string(writer, ", server: ");
    address_write(writer, &client_listen(speaker->client)->address);
}

void client_log(const struct client *client, enum log_level level, const char *format, ...)
{
    const struct log *log = &client_listen(client)->servers[0]->level.error_log->log;
    struct speaker    speaker = { .scope = { .connection = client->serial, .describe = describe },
                                  .client = client };
    char              bytes[LINE_MOST];
    va_list           args;

    va_start(args, format);
    (void)vsnprintf(bytes, sizeof(bytes), format, args);
    va_end(args);
    log_to(log->write != NULL ? log : log_used(), level, &speaker.scope, "%s", bytes);
}
