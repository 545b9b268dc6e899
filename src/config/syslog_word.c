// SPDX-License-Identifier: MIT
/* The parameters behind "syslog:" in error_log and access_log. */
#include <string.h>

#include "config/logs.h"
#include "config/values.h"

enum { PORT_MOST = 65535, FACILITY_DEFAULT = 23 /* local7 */, SEVERITY_DEFAULT = 6 /* info */ };

/* One word while it is read. */
struct reading {
    struct compiler   *compiler;
    const struct word *word;
    struct syslog     *syslog;
    bool               has_server, has_facility, has_severity, has_tag;
};

/* ---- the server ---- */

static const char *resolve(struct compiler *compiler, struct text host, unsigned port,
                           struct address *ret_address)
{
    const struct address *addresses;
    unsigned              count;

    if (address_parse_ip(host, port, ret_address) == 0)
        return NULL;
    if (host.len == 0)
        return "no host";
    if (host.ptr[0] == '[' || text_find(host, '/') < host.len)
        return "invalid host";
    if (compiler->source->resolve(compiler->source, host, &addresses, &count) < 0 || count == 0)
        return "host not found";
    *ret_address = addresses[0];
    address_set_port(ret_address, port);
    return NULL;
}

/* What is wrong with it, or NULL. */
static const char *parse_server(struct compiler *compiler, struct text text,
                                struct address *ret_address)
{
    size_t   end = text.len > 0 && text.ptr[0] == '[' ? text_find(text, ']') + 1
                                                      : text_find(text, ':');
    uint64_t port = SYSLOG_PORT;

    if (text_has_prefix(text, TEXT("unix:"))) {
        text = text_from_offset(text, sizeof("unix:") - 1);
        if (text.len == 0)
            return "no path in the unix domain socket";
        return address_parse_unix(text, ret_address) < 0 ? "too long path" : NULL;
    }
    if (text_find(text, '/') < text.len)
        return "invalid host";
    if (end < text.len &&
        (value_number(text_from_offset(text, end + 1), PORT_MOST, &port) < 0 || port == 0))
        return "invalid port";
    return resolve(compiler, text_part(text, 0, end < text.len ? end : text.len), (unsigned)port,
                   ret_address);
}

/* ---- parameters ---- */

static bool is_first(struct reading *reading, bool *has, const char *name)
{
    if (*has)
        complain(reading->compiler, reading->word, "duplicate syslog \"%s\"", name);
    return !*has && (*has = true);
}

static void take_server(struct reading *reading, struct text value)
{
    const char *wrong;

    if (!is_first(reading, &reading->has_server, "server"))
        return;
    wrong = parse_server(reading->compiler, value, &reading->syslog->server);
    if (wrong != NULL)
        complain(reading->compiler, reading->word, "%s in syslog server \"%.*s\"", wrong,
                 TEXT_ARGS(value));
}

static void take_name(struct reading *reading, struct text value, const char *what,
                      int (*number_of)(struct text name), unsigned *field)
{
    int number = number_of(value);

    if (number < 0)
        complain(reading->compiler, reading->word, "unknown syslog %s \"%.*s\"", what,
                 TEXT_ARGS(value));
    else
        *field = (unsigned)number;
}

static bool is_tag_char(char c)
{
    return (c >= '0' && c <= '9') || (text_lower_char(c) >= 'a' && text_lower_char(c) <= 'z') ||
           c == '_';
}

static void take_tag(struct reading *reading, struct text value)
{
    if (!is_first(reading, &reading->has_tag, "tag"))
        return;
    if (value.len > SYSLOG_TAG_MOST) {
        complain(reading->compiler, reading->word, "syslog tag length exceeds %d", SYSLOG_TAG_MOST);
        return;
    }
    for (size_t i = 0; i < value.len; i++)
        if (!is_tag_char(value.ptr[i])) {
            complain(reading->compiler, reading->word,
                     "syslog \"tag\" only allows alphanumeric characters and underscore");
            return;
        }
    memcpy(reading->syslog->tag, value.ptr, value.len);
    reading->syslog->tag[value.len] = '\0';
}

static bool takes(struct text *parameter, const char *prefix)
{
    if (!text_has_prefix(*parameter, text_from(prefix)))
        return false;
    *parameter = text_from_offset(*parameter, text_from(prefix).len);
    return true;
}

static void take(struct reading *reading, struct text parameter)
{
    struct syslog *syslog = reading->syslog;

    if (takes(&parameter, "server="))
        take_server(reading, parameter);
    else if (takes(&parameter, "tag="))
        take_tag(reading, parameter);
    else if (text_is_equal(parameter, TEXT("nohostname")))
        syslog->has_hostname = false;
    else if (takes(&parameter, "facility=")) {
        if (is_first(reading, &reading->has_facility, "facility"))
            take_name(reading, parameter, "facility", syslog_facility_of, &syslog->facility);
    } else if (takes(&parameter, "severity=")) {
        if (is_first(reading, &reading->has_severity, "severity"))
            take_name(reading, parameter, "severity", syslog_severity_of, &syslog->severity);
    } else {
        complain(reading->compiler, reading->word, "unknown syslog parameter \"%.*s\"",
                 TEXT_ARGS(parameter))
            ->hint = TEXT("they are server=, facility=, severity=, tag= "
                                                    "and nohostname");
    }
}

bool syslog_word(struct compiler *compiler, const struct word *word, struct syslog *ret_syslog)
{
    struct reading reading = { .compiler = compiler, .word = word, .syslog = ret_syslog };
    struct text    rest = text_from_offset(word->text, sizeof(SYSLOG_PREFIX) - 1), parameter;
    unsigned       errors = compiler->diagnoses->errors;

    *ret_syslog = (struct syslog){ .facility = FACILITY_DEFAULT, .severity = SEVERITY_DEFAULT,
                                   .has_hostname = true, .tag = "nginx" };
    do {
        (void)text_split(&rest, ',', &parameter);
        take(&reading, parameter);
    } while (rest.ptr != NULL && compiler->diagnoses->errors == errors);
    if (!reading.has_server && compiler->diagnoses->errors == errors)
        complain(compiler, word, "no syslog server specified");
    return compiler->diagnoses->errors == errors;
}
