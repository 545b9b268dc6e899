// SPDX-License-Identifier: MIT
/* One table per topic: what works first, then what is accepted without effect, then what nginx has
 * and we don't. */
#include "config/directives_print.h"

#include <stdbool.h>
#include <string.h>

#include "config/directive.h"
#include "config/unsupported.h"

enum { WIDTH = 110 };

static const struct { unsigned bit; const char *name; } places[] = {
    { IN_MAIN, "main" }, { IN_EVENTS, "events" }, { IN_HTTP, "http" }, { IN_SERVER, "server" },
    { IN_LOCATION, "location" }, { IN_UPSTREAM, "upstream" },
};
enum { PLACE_COUNT = sizeof(places) / sizeof(places[0]) };

void directives_write_where(struct writer *writer, unsigned where)
{
    const char *names[PLACE_COUNT];
    unsigned    count = 0;

    if (where == IN_MAIN) {
        writer_string(writer, "the main level");
        return;
    }
    for (unsigned i = 0; i < PLACE_COUNT; i++)
        if (where & places[i].bit)
            names[count++] = places[i].name;
    for (unsigned i = 0; i < count; i++)
        writer_format(writer, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", names[i]);
    writer_string(writer, " blocks");
}

/* A pipe would end the cell. */
static void print_cell(FILE *file, const char *text, bool is_code)
{
    (void)fprintf(file, "%s", text[0] == '\0' || !is_code ? "" : "`");
    for (; *text != '\0'; text++)
        if (*text == '|')
            (void)fputs("\\|", file);
        else
            (void)fputc(*text, file);
}

static void print_code(FILE *file, const char *before, const char *text)
{
    (void)fputs(before, file);
    print_cell(file, text, true);
    (void)fputs(text[0] == '\0' ? "" : "`", file);
}

static void print_where(FILE *file, unsigned where)
{
    const char *before = "";

    for (unsigned i = 0; i < PLACE_COUNT; i++)
        if (where & places[i].bit) {
            (void)fprintf(file, "%s%s", before, places[i].name);
            before = ", ";
        }
}

static void print_row(FILE *file, const struct directive *row)
{
    (void)fprintf(file, "| `%s`", row->name);
    print_code(file, " | ", row->syntax);
    print_code(file, " | ", row->initial);
    (void)fputs(" | ", file);
    print_where(file, row->where);
    (void)fputs(" | ", file);
    print_cell(file, row->help, false);
    (void)fputs(" |\n", file);
}

static void print_table(FILE *file, const struct directive_rows *table)
{
    (void)fprintf(file, "\n## %s\n\n| directive | arguments | default | where | what it does |\n"
                        "|---|---|---|---|---|\n", table->topic);
    for (unsigned i = 0; i < table->count; i++)
        if ((table->rows[i].flags & HAS_NO_EFFECT) == 0)
            print_row(file, &table->rows[i]);
}

static void print_ignored(FILE *file)
{
    (void)fputs("\n## Accepted without effect\n\n"
                "They tune what nginx does and frontdesk does otherwise. Their form is checked.\n\n"
                "| directive | arguments | where | why |\n|---|---|---|---|\n",
                file);
    for (unsigned t = 0; t < directive_table_count; t++)
        for (unsigned i = 0; i < directive_tables[t]->count; i++) {
            const struct directive *row = &directive_tables[t]->rows[i];

            if ((row->flags & HAS_NO_EFFECT) == 0)
                continue;
            (void)fprintf(file, "| `%s`", row->name);
            print_code(file, " | ", row->syntax);
            (void)fputs(" | ", file);
            print_where(file, row->where);
            (void)fputs(" | ", file);
            print_cell(file, row->help, false);
            (void)fputs(" |\n", file);
        }
}

static bool has_row(const char *name)
{
    for (unsigned t = 0; t < directive_table_count; t++)
        for (unsigned i = 0; i < directive_tables[t]->count; i++)
            if (strcmp(directive_tables[t]->rows[i].name, name) == 0)
                return true;
    return false;
}

static void print_missing(FILE *file)
{
    const char *name;
    size_t      column = 0;

    (void)fputs("\n## Not yet\n\n"
                "Known by name: an error says that frontdesk does not have them.\n\n",
                file);
    for (unsigned i = 0; (name = unsupported_name(i)) != NULL; i++) {
        if (has_row(name))
            continue;
        if (column + strlen(name) + 3 > WIDTH) {
            (void)fputc('\n', file);
            column = 0;
        }
        column += (size_t)fprintf(file, "%s`%s`", column == 0 ? "" : " ", name);
    }
    (void)fputc('\n', file);
}

void directives_print(FILE *file)
{
    (void)fputs("# Directives\n\n"
                "Written by `make docs` from the tables in `src/config`; do not edit.\n\n"
                "Names, places, defaults and inheritance are nginx's. What differs: `http` and "
                "`events` may be left out; connections\nto upstreams are kept alive and speak "
                "HTTP/1.1; names of upstreams are resolved after the start; `log_format`,\n`map` and "
                "`upstream` may follow the lines that use them. `include` may stand anywhere.\n",
                file);
    for (unsigned t = 0; t < directive_table_count; t++)
        if (directive_tables[t] != &rows_ignored)
            print_table(file, directive_tables[t]);
    print_ignored(file);
    print_missing(file);
}
