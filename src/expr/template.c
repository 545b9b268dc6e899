// SPDX-License-Identifier: MIT
/* A template is an array of parts, each a literal or a variable; neighbouring literals are one.
 *
 * Evaluation asks every getter once, adds up the lengths and copies once. A template of one literal
 * or one variable copies nothing. */
#include "expr/template.h"

#include <errno.h>
#include <string.h>

enum { PARTS_ON_STACK = 32 };

struct part {
    struct text     literal;             /* when variable.get is NULL */
    struct variable variable;
};

/* It takes the name for C++. */
/* clang-format off */
struct template {
    struct text  source;
    struct part *parts;
    unsigned     part_count;
};
/* clang-format on */

/* ---- compiling ---- */

struct template_reader {
    struct arena    *arena;
    struct names    *names;
    struct text      source;
    size_t           at;
    struct template *template;
    struct text      message;
};

static int complain(struct template_reader *reader, const char *before, struct text about,
                    const char *after)
{
    reader->message =
        arena_format(reader->arena, "%s\"%.*s\"%s", before, TEXT_ARGS(about), after);
    return -EINVAL;
}

static unsigned count_dollars(struct text source)
{
    unsigned count = 0;

    for (size_t i = 0; i < source.len; i++)
        count += source.ptr[i] == '$';
    return count;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void read_literal(struct template_reader *reader)
{
    struct text rest = text_from_offset(reader->source, reader->at);
    size_t      len = text_find(rest, '$');

    if (len == 0)
        return;
    reader->template->parts[reader->template->part_count++].literal = text_part(rest, 0, len);
    reader->at += len;
}

/* A digit is a capture, and only one digit: "$12" is $1 and a "2". */
static bool is_capture(struct text name)
{
    return name.ptr[0] >= '1' && name.ptr[0] <= '9';
}

static int read_name(struct template_reader *reader, struct text *ret_name)
{
    struct text rest = text_from_offset(reader->source, reader->at + 1);
    bool        has_brackets = rest.len > 0 && rest.ptr[0] == '{';
    size_t      len = 0;

    if (has_brackets)
        rest = text_from_offset(rest, 1);
    while (len < rest.len && is_name_char(rest.ptr[len]))
        len++;
    if (len == 0)
        return complain(reader, "invalid variable name in ", reader->source, "");
    if (has_brackets && (len == rest.len || rest.ptr[len] != '}'))
        return complain(reader, "the closing bracket in ", text_part(rest, 0, len),
                        " variable is missing");
    if (!has_brackets && is_capture(rest))
        len = 1;
    *ret_name = text_part(rest, 0, len);
    reader->at += 1 + len + (has_brackets ? 2 : 0);
    return 0;
}

static struct text lower_copy(struct arena *arena, struct text text)
{
    char *copy = arena_bytes(arena, text.len);

    for (size_t i = 0; i < text.len; i++)
        copy[i] = text_lower_char(text.ptr[i]);
    return text_of(copy, text.len);
}

static int read_variable(struct template_reader *reader)
{
    struct variable *variable = &reader->template->parts[reader->template->part_count].variable;
    struct text      name;

    if (read_name(reader, &name) < 0)
        return -EINVAL;
    /* The variable keeps a piece of its name, so the name must live as long. */
    name = lower_copy(reader->arena, name);
    if (name.len == 1 && is_capture(name))
        *variable = (struct variable){ .get = scope_get_capture, .argument = name };
    else if (reader->names == NULL || !reader->names->find(reader->names, name, variable))
        return complain(reader, "unknown ", name, " variable");
    reader->template->part_count++;
    return 0;
}

static struct template *template_new(struct arena *arena, struct text source, unsigned most_parts)
{
    struct template *template = ARENA_NEW(arena, struct template);

    template->source = source.ptr == NULL ? TEXT("") : arena_copy(arena, source);
    template->parts = ARENA_ARRAY(arena, struct part, most_parts);
    return template;
}

int template_compile(struct arena *arena, struct text source, struct names *names,
                     const struct template **ret_template, struct text *reterr_message)
{
    struct template       *template = template_new(arena, source, 2 * count_dollars(source) + 1);
    struct template_reader reader = {
        .arena = arena, .names = names, .source = template->source, .template = template,
    };

    while (reader.at < reader.source.len) {
        read_literal(&reader);
        if (reader.at < reader.source.len && read_variable(&reader) < 0) {
            *reterr_message = reader.message;
            return -EINVAL;
        }
    }
    *ret_template = template;
    return 0;
}

const struct template *template_literal(struct arena *arena, struct text text)
{
    struct template *template = template_new(arena, text, 1);

    template->parts[0].literal = template->source;
    template->part_count = template->source.len > 0;
    return template;
}

/* ---- evaluating ---- */

static struct text part_eval(const struct part *part, struct scope *scope)
{
    return part->variable.get == NULL ? part->literal : part->variable.get(scope, &part->variable);
}

static struct text join(struct arena *arena, const struct text *values, unsigned count)
{
    size_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += values[i].len;

    char *bytes = arena_bytes(arena, len), *at = bytes;
    for (unsigned i = 0; i < count; i++) {
        if (values[i].len > 0)
            memcpy(at, values[i].ptr, values[i].len);
        at += values[i].len;
    }
    return text_of(bytes, len);
}

/* Out of line, so that a template of one part pays for no array. */
static __attribute__((noinline)) struct text parts_eval(const struct template *template,
                                                        struct scope *scope)
{
    struct text few[PARTS_ON_STACK], *values = few;

    if (template->part_count > PARTS_ON_STACK)
        values = ARENA_ARRAY(scope->arena, struct text, template->part_count);
    for (unsigned i = 0; i < template->part_count; i++)
        values[i] = part_eval(&template->parts[i], scope);
    return join(scope->arena, values, template->part_count);
}

struct text template_eval(const struct template *template, struct scope *scope)
{
    struct text only;

    if (template->part_count == 0)
        return TEXT("");
    if (template->part_count > 1)
        return parts_eval(template, scope);
    only = part_eval(&template->parts[0], scope);
    return only.ptr == NULL ? TEXT("") : only;
}

void template_write(const struct template *template, struct scope *scope, struct writer *writer,
                    void (*escape)(struct writer *writer, struct text value))
{
    for (unsigned i = 0; i < template->part_count; i++) {
        const struct part *part = &template->parts[i];
        struct text        value = part_eval(part, scope);

        if (part->variable.get != NULL && escape != NULL)
            escape(writer, value);
        else if (value.len > 0)
            writer_text(writer, value);
    }
}

bool template_is_constant(const struct template *template)
{
    for (unsigned i = 0; i < template->part_count; i++)
        if (template->parts[i].variable.get != NULL)
            return false;
    return true;
}

struct text template_source(const struct template *template)
{
    return template->source;
}

const struct variable *template_variable(const struct template *template)
{
    bool is_one = template->part_count == 1 && template->parts[0].variable.get != NULL;

    return is_one ? &template->parts[0].variable : NULL;
}

static void write_escaped(struct writer *writer, struct text literal)
{
    for (size_t i = 0; i < literal.len; i++) {
        if (literal.ptr[i] != '\0' && strchr("*?[]\\", literal.ptr[i]) != NULL)
            writer_char(writer, '\\');
        writer_char(writer, literal.ptr[i]);
    }
}

struct text template_pattern(const struct template *template, struct arena *arena)
{
    struct writer writer = writer_arena(arena, template->source.len + 1);

    for (unsigned i = 0; i < template->part_count; i++)
        if (template->parts[i].variable.get != NULL)
            writer_char(&writer, '*');
        else
            write_escaped(&writer, template->parts[i].literal);
    return writer_done(&writer);
}

bool template_is_true(const struct template *template, struct scope *scope)
{
    struct text value = template_eval(template, scope);

    return value.len > 0 && !text_is_equal(value, TEXT("0"));
}

bool template_is_any_true(const struct template_list *list, struct scope *scope)
{
    for (; list != NULL; list = list->next)
        if (template_is_true(list->value, scope))
            return true;
    return false;
}
