// SPDX-License-Identifier: MIT
/* The two getters that need nothing but the scope itself. */
#include "expr/scope.h"

struct text scope_get_slot(struct scope *scope, const struct variable *self)
{
    return self->slot < scope->slot_count ? scope->slots[self->slot] : TEXT_NONE;
}

struct text scope_get_capture(struct scope *scope, const struct variable *self)
{
    unsigned number = (unsigned)(self->argument.ptr[0] - '0');

    return number < SCOPE_CAPTURES ? scope->captures[number] : TEXT_NONE;
}

void scope_set_slot(struct scope *scope, unsigned slot, struct text value)
{
    must(slot < scope->slot_count);
    scope->slots[slot] = value.ptr == NULL ? TEXT("") : value;
}
