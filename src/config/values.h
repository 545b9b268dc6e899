// SPDX-License-Identifier: MIT
/* Arguments to values: the setters that rows share, and the parsers below them. A setter complains
 * and leaves the field alone when the argument is wrong. */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include "config/directive.h"

/* Largest size of one buffer in memory. */
#define BUFFER_MOST (UINT64_C(1) << 30)

/* ---- parsers: -EINVAL or -ERANGE ---- */

int value_size(struct text text, uint64_t *ret_bytes) WARN_UNUSED;        /* 8k, 1m, 2g */
/* 1h30m, 500ms, "1d 12h"; more than fits is the longest that we can wait. */
int value_msec(struct text text, uint32_t *ret_ms) WARN_UNUSED;
/* The same without ms, with y and M. */
int value_sec(struct text text, uint64_t *ret_seconds) WARN_UNUSED;
int value_number(struct text text, uint64_t most, uint64_t *ret_number) WARN_UNUSED;

/* "x", "*.x", ".x" or "x.*". */
bool value_is_host_pattern(struct text name);

/* ---- with complaints ---- */

/* Never NULL: after a complaint it is a template of nothing. */
const struct template *word_template(struct compiler *compiler, const struct word *word);
/* The same for a field of a message: line breaks become spaces. */
const struct template *word_field_template(struct compiler *compiler, const struct word *word);
const struct template *text_template(struct compiler *compiler, const struct word *word,
                                     struct text text);
/* NULL after a complaint. */
const struct regex *word_regex(struct compiler *compiler, const struct word *word,
                               struct text pattern, bool is_nocase);
/* Relative to the prefix; false after a complaint. */
bool word_path(struct compiler *compiler, const struct word *word, struct text *ret_path);
/* A name of a field (RFC 9110 token); false after a complaint. */
bool word_is_field_name(struct compiler *compiler, const struct word *word);
/* "10.0.0.0/8", "::1"; warns of bits behind the prefix. False without a complaint: it is none. */
bool word_network(struct compiler *compiler, const struct word *word, struct network *ret_network);
bool word_flag(struct compiler *compiler, const struct word *word, bool *ret_flag);
void complain_value(struct compiler *compiler, const struct word *word);   /* "x" directive invalid value */
void complain_number(struct compiler *compiler, const struct word *word);
void complain_parameter(struct compiler *compiler, const struct word *word);
/* From the syntax of the row that is being applied: of a right name with a wrong value, what values there
 * are; of a wrong name, the nearest; or all. */
struct text hint_parameter(struct compiler *compiler, struct text wrong);

struct choice {
    const char *name;
    unsigned    value;
};
/* Complains of anything else, with the nearest name as a hint; false then. */
bool word_choice(struct compiler *compiler, const struct word *word, const struct choice *choices,
                 unsigned count, unsigned *ret_value);
#define WORD_CHOICE(compiler, word, choices, ret_value) \
    word_choice((compiler), (word), (choices), sizeof(choices) / sizeof((choices)[0]), (ret_value))

bool text_has_variables(struct text text);
struct text text_lower(struct arena *arena, struct text text);

/* ---- setters ---- */

void apply_flag(struct compiler *compiler, const struct node *node, void *field);      /* bool */
void apply_msec(struct compiler *compiler, const struct node *node, void *field);      /* uint32_t */
void apply_size(struct compiler *compiler, const struct node *node, void *field);      /* uint64_t */
void apply_buffer(struct compiler *compiler, const struct node *node, void *field);    /* uint64_t, > 0, bounded */
void apply_buffer32(struct compiler *compiler, const struct node *node, void *field);  /* uint32_t, > 0, bounded */
void apply_size32(struct compiler *compiler, const struct node *node, void *field);    /* uint32_t, bounded */
void apply_number(struct compiler *compiler, const struct node *node, void *field);    /* uint32_t */
void apply_text(struct compiler *compiler, const struct node *node, void *field);      /* struct text */
void apply_path(struct compiler *compiler, const struct node *node, void *field);      /* struct text */
void apply_template(struct compiler *compiler, const struct node *node, void *field);  /* const struct template * */
void apply_templates(struct compiler *compiler, const struct node *node, void *field); /* struct template_list * */
void apply_true(struct compiler *compiler, const struct node *node, void *field);      /* bool, no argument */

#endif
