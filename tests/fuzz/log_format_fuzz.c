// SPDX-License-Identifier: MIT
/* Forms of log lines, that is, templates with the built-in variables' names. Checked: what compiles
 * is written twice alike, its escaped form holds no raw value, and it evaluates to its parts. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/writer.h"
#include "expr/template.h"
#include "proxy/variables.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* In place of the real getters, which want an exchange. */
static struct text get_value(struct scope *scope, const struct variable *self)
{
    (void)scope;
    return self->argument.len > 0 ? self->argument : TEXT_NONE;
}

static bool find_name(struct names *names, struct text name, struct variable *ret_variable)
{
    (void)names;
    if (!variables_find(name, ret_variable))
        return false;
    must(ret_variable->get != NULL);
    ret_variable->get = get_value;
    return true;
}

static void escape(struct writer *writer, struct text value)
{
    writer_char(writer, value.ptr == NULL ? '-' : '+');
    writer_text(writer, value);
}

static void check(struct arena *arena, const struct template *template, struct text source)
{
    struct text   slots[1] = { { NULL, 0 } };
    struct scope  scope = { .arena = arena, .slots = slots, .slot_count = 1 };
    struct writer plain = writer_arena(arena, 64), escaped = writer_arena(arena, 64);
    struct text   value = template_eval(template, &scope);

    must(value.ptr != NULL);
    must(text_is_equal(template_source(template), source));
    template_write(template, &scope, &plain, NULL);
    must(text_is_equal(writer_done(&plain), value));
    template_write(template, &scope, &escaped, escape);
    must(writer_done(&escaped).len >= value.len);
    if (template_is_constant(template)) {
        must(text_is_equal(value, source));
        must(writer_done(&escaped).len == value.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena          *arena = arena_new();
    struct names           names = { .find = find_name };
    const struct template *template;
    struct text            message;
    char                  *exact = mem_try(len + 1);

    must(exact != NULL);
    memcpy(exact, bytes, len);
    if (template_compile(arena, text_of(exact, len), &names, &template, &message) == 0)
        check(arena, template, text_of(exact, len));
    else
        must(message.len > 0);
    mem_free(exact);
    arena_free(&arena);
    return 0;
}
