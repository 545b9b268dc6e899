// SPDX-License-Identifier: MIT
/* nginx's notations, with bounds: what does not fit its field is an error here, not a wrapped
 * number at run time. */
#include "config/values.h"

#include <errno.h>
#include <string.h>

#include "base/writer.h"

enum { HINT_DISTANCE = 2, HINT_SHORT_BYTES = 5, SECOND_MS = 1000 };

/* ---- parsers ---- */

int value_number(struct text text, uint64_t most, uint64_t *ret_number)
{
    uint64_t number;
    int      error = text_to_u64(text, &number);

    if (error < 0)
        return error;
    if (number > most)
        return -ERANGE;
    *ret_number = number;
    return 0;
}

int value_size(struct text text, uint64_t *ret_bytes)
{
    unsigned shift = 0;
    uint64_t number;

    if (text.len == 0)
        return -EINVAL;
    switch (text_lower_char(text.ptr[text.len - 1])) {
    case 'k': shift = 10; break;
    case 'm': shift = 20; break;
    case 'g': shift = 30; break;
    default: break;
    }
    if (shift > 0)
        text.len--;
    if (value_number(text, (uint64_t)INT64_MAX >> shift, &number) < 0)
        return -EINVAL;
    *ret_bytes = number << shift;
    return 0;
}

/* Units fall from left to right, each at most once. */
struct time_unit {
    const char *name;
    unsigned    rank;
    uint64_t    seconds;                 /* 0: a millisecond */
};
static const struct time_unit time_units[] = {
    { "ms", 7, 0 },
    { "y", 0, 365 * 24 * 3600 },
    { "M", 1, 30 * 24 * 3600 },
    { "w", 2, 7 * 24 * 3600 },
    { "d", 3, 24 * 3600 },
    { "h", 4, 3600 },
    { "m", 5, 60 },
    { "s", 6, 1 },
};
enum { RANK_MONTH = 1, RANK_SECOND = 6, RANK_MS = 7 };

static const struct time_unit *take_unit(struct text *rest)
{
    for (size_t i = 0; i < sizeof(time_units) / sizeof(time_units[0]); i++) {
        struct text name = text_from(time_units[i].name);

        if (text_has_prefix(*rest, name)) {
            *rest = text_from_offset(*rest, name.len);
            return &time_units[i];
        }
    }
    return NULL;
}

static size_t digits(struct text text)
{
    size_t len = 0;

    while (len < text.len && text.ptr[len] >= '0' && text.ptr[len] <= '9')
        len++;
    return len;
}

/* In milliseconds. A number without unit is seconds and must be the last. */
static int parse_time(struct text text, unsigned least_rank, unsigned most_rank, uint64_t *ret_ms)
{
    uint64_t total = 0, most = (uint64_t)INT64_MAX / 4;
    unsigned rank = least_rank;

    if (text.len == 0)
        return -EINVAL;
    while (text.len > 0) {
        struct time_unit        bare = { "", RANK_SECOND, 1 };
        const struct time_unit *unit = &bare;
        size_t                  len = digits(text);
        uint64_t                number, scale;

        if (value_number(text_part(text, 0, len), most, &number) < 0)
            return -EINVAL;
        text = text_from_offset(text, len);
        if (text.len > 0 && text.ptr[0] != ' ' && (unit = take_unit(&text)) == NULL)
            return -EINVAL;
        scale = unit->seconds == 0 ? 1 : unit->seconds * SECOND_MS;
        if (unit->rank < rank || unit->rank > most_rank || number > (most - total) / scale)
            return -EINVAL;
        total += number * scale;
        rank = unit->rank + 1;
        while (text.len > 0 && text.ptr[0] == ' ')
            text = text_from_offset(text, 1);
    }
    *ret_ms = total;
    return 0;
}

int value_msec(struct text text, uint32_t *ret_ms)
{
    uint64_t ms;

    if (parse_time(text, RANK_MONTH + 1, RANK_MS, &ms) < 0)
        return -EINVAL;
    *ret_ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
    return 0;
}

int value_sec(struct text text, uint64_t *ret_seconds)
{
    uint64_t ms;

    if (parse_time(text, 0, RANK_SECOND, &ms) < 0)
        return -EINVAL;
    *ret_seconds = ms / SECOND_MS;
    return 0;
}

bool value_is_host_pattern(struct text name)
{
    struct text middle = name;

    if (text_find_text(name, TEXT("..")) < name.len)
        return false;
    if (text_has_prefix(middle, TEXT("*.")))
        middle = text_from_offset(middle, 2);
    else if (text_has_suffix(middle, TEXT(".*")))
        middle.len -= 2;
    return text_find(middle, '*') == middle.len && (middle.len > 0 || name.len == 0) &&
           !text_is_equal(name, TEXT("."));
}

bool text_has_variables(struct text text)
{
    return text_find(text, '$') < text.len;
}

struct text text_lower(struct arena *arena, struct text text)
{
    char *copy = arena_bytes(arena, text.len);

    for (size_t i = 0; i < text.len; i++)
        copy[i] = text_lower_char(text.ptr[i]);
    return text_of(copy, text.len);
}

/* ---- words with complaints ---- */

void complain_value(struct compiler *compiler, const struct word *word)
{
    complain(compiler, word, "\"%s\" directive invalid value", compiler->row->name);
}

void complain_number(struct compiler *compiler, const struct word *word)
{
    complain(compiler, word, "\"%s\" directive invalid number", compiler->row->name);
}

/* The next parameter of a row's syntax, without its brackets: "weight=number", "ipv6=on|off", "down". */
static bool take_parameter(struct text *syntax, struct text *ret_parameter)
{
    size_t start = 0, end;

    while (start < syntax->len && strchr(" []|", syntax->ptr[start]) != NULL)
        start++;
    end = start;
    while (end < syntax->len && strchr(" []", syntax->ptr[end]) == NULL)
        end++;
    *ret_parameter = text_part(*syntax, start, end - start);
    *syntax = text_from_offset(*syntax, end);
    return ret_parameter->len > 0;
}

/* Up to its '=', with it. */
static struct text name_of_parameter(struct text parameter)
{
    return text_part(parameter, 0, text_find(parameter, '=') + 1);
}

struct text hint_parameter(struct compiler *compiler, struct text wrong)
{
    const char   *directive = compiler->row->name;
    struct arena *arena = compiler->diagnoses->arena;
    struct text   syntax = text_from(compiler->row->syntax), name = name_of_parameter(wrong);
    struct text   parameter, best = TEXT_NONE;
    unsigned      least = name.len < HINT_SHORT_BYTES ? 2 : HINT_DISTANCE + 1;

    while (take_parameter(&syntax, &parameter)) {
        struct text right = name_of_parameter(parameter);
        unsigned    distance = text_distance(name, right, HINT_DISTANCE);

        if (distance == 0 && right.len < parameter.len)
            return arena_format(arena, "%s ... %.*s", directive, TEXT_ARGS(parameter));
        if (distance > 0 && distance < least) {
            least = distance;
            best = right;
        }
    }
    if (best.ptr != NULL)
        return arena_format(arena, "did you mean \"%.*s\"?", TEXT_ARGS(best));
    return arena_format(arena, "%s %s", directive, compiler->row->syntax);
}

void complain_parameter(struct compiler *compiler, const struct word *word)
{
    complain(compiler, word, "invalid parameter \"%.*s\"", TEXT_ARGS(word->text))->hint =
        hint_parameter(compiler, word->text);
}

const struct template *text_template(struct compiler *compiler, const struct word *word,
                                     struct text text)
{
    const struct template *template;
    struct text            message;

    compiler->variables.place = word;
    if (template_compile(compiler->arena, text, &compiler->variables.names, &template, &message) <
        0) {
        complain(compiler, word, "%.*s", TEXT_ARGS(message));
        return template_literal(compiler->arena, TEXT(""));
    }
    return template;
}

const struct template *word_template(struct compiler *compiler, const struct word *word)
{
    return text_template(compiler, word, word->text);
}

static bool is_line_break(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

static bool has_line_break(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (is_line_break(text.ptr[i]))
            return true;
    return false;
}

const struct template *word_field_template(struct compiler *compiler, const struct word *word)
{
    struct writer writer;

    if (!has_line_break(word->text))
        return word_template(compiler, word);
    warn(compiler, word, "line breaks in the value of \"%s\" are sent as spaces",
         compiler->row->name);
    writer = writer_arena(compiler->arena, word->text.len);
    for (size_t i = 0; i < word->text.len; i++) {
        bool is_break = is_line_break(word->text.ptr[i]);

        writer_char(&writer, is_break ? ' ' : word->text.ptr[i]);
        while (is_break && i + 1 < word->text.len &&
               (is_line_break(word->text.ptr[i + 1]) || word->text.ptr[i + 1] == ' '))
            i++;
    }
    return text_template(compiler, word, text_trim(writer_done(&writer)));
}

const struct regex *word_regex(struct compiler *compiler, const struct word *word,
                               struct text pattern, bool is_nocase)
{
    const struct regex *regex;
    struct text         message;

    compiler->variables.place = word;
    if (regex_compile(compiler->arena, pattern, is_nocase, &compiler->variables.slots, &regex,
                      &message) < 0) {
        complain(compiler, word, "%.*s", TEXT_ARGS(message));
        return NULL;
    }
    return regex;
}

bool word_path(struct compiler *compiler, const struct word *word, struct text *ret_path)
{
    struct text path = word->text;

    if (path.len == 0 || has_line_break(path)) {
        complain(compiler, word, "invalid path \"%.*s\"", TEXT_ARGS(path));
        return false;
    }
    if (path.ptr[0] == '/')
        *ret_path = arena_copy(compiler->arena, path);
    else
        *ret_path = arena_format(compiler->arena, "%.*s%.*s", TEXT_ARGS(compiler->options->prefix),
                                 TEXT_ARGS(path));
    return true;
}

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (text_lower_char(c) >= 'a' && text_lower_char(c) <= 'z')
           || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool word_is_field_name(struct compiler *compiler, const struct word *word)
{
    bool is_good = word->text.len > 0;

    for (size_t i = 0; i < word->text.len; i++)
        is_good = is_good && is_token_char(word->text.ptr[i]);
    if (!is_good)
        complain(compiler, word, "invalid field name \"%.*s\"", TEXT_ARGS(word->text));
    return is_good;
}

/* Clears what lies behind the prefix; true if something did. */
static bool mask(struct network *network)
{
    bool has_cleared = false;

    for (unsigned i = 0; i < network->len; i++) {
        unsigned      kept = network->bits > i * 8 ? network->bits - i * 8 : 0;
        unsigned char keep = kept >= 8 ? 0xff : (unsigned char)(0xff00u >> kept);

        has_cleared = has_cleared || (network->bytes[i] & (unsigned char)~keep) != 0;
        network->bytes[i] &= keep;
    }
    return has_cleared;
}

bool word_network(struct compiler *compiler, const struct word *word, struct network *ret_network)
{
    size_t               slash = text_find(word->text, '/');
    struct text          bits_text = text_from_offset(word->text, slash + 1);
    struct network       network = { .len = 0 };
    struct address       address;
    const unsigned char *bytes;
    unsigned             len = 0;
    uint64_t             bits;

    if (address_parse_ip(text_part(word->text, 0, slash), 0, &address) < 0)
        return false;
    bytes = address_bytes(&address, &len);
    bits = len * 8;
    if (slash < word->text.len && value_number(bits_text, len * 8, &bits) < 0)
        return false;
    memcpy(network.bytes, bytes, len);
    network.len = (uint8_t)len;
    network.bits = (uint8_t)bits;
    if (mask(&network))
        warn(compiler, word, "low address bits of %.*s are meaningless", TEXT_ARGS(word->text));
    *ret_network = network;
    return true;
}

bool word_flag(struct compiler *compiler, const struct word *word, bool *ret_flag)
{
    if (text_is_equal_nocase(word->text, TEXT("on"))) {
        *ret_flag = true;
        return true;
    }
    if (text_is_equal_nocase(word->text, TEXT("off"))) {
        *ret_flag = false;
        return true;
    }
    complain(compiler, word,
             "invalid value \"%.*s\" in \"%s\" directive, it must be \"on\" or \"off\"",
             TEXT_ARGS(word->text), compiler->row->name);
    return false;
}

static struct text hint_choice(struct compiler *compiler, const struct word *word,
                               const struct choice *choices, unsigned count)
{
    struct writer writer = writer_arena(compiler->diagnoses->arena, 64);

    for (unsigned i = 0; i < count; i++)
        if (text_distance(word->text, text_from(choices[i].name), HINT_DISTANCE) <= HINT_DISTANCE)
            return arena_format(compiler->diagnoses->arena, "did you mean \"%s\"?",
                                choices[i].name);
    writer_string(&writer, "one of");
    for (unsigned i = 0; i < count; i++)
        writer_format(&writer, " %s", choices[i].name);
    return writer_done(&writer);
}

bool word_choice(struct compiler *compiler, const struct word *word, const struct choice *choices,
                 unsigned count, unsigned *ret_value)
{
    for (unsigned i = 0; i < count; i++)
        if (text_is_equal_nocase(word->text, text_from(choices[i].name))) {
            *ret_value = choices[i].value;
            return true;
        }
    complain(compiler, word, "invalid value \"%.*s\"", TEXT_ARGS(word->text))->hint =
        hint_choice(compiler, word, choices, count);
    return false;
}

/* ---- setters ---- */

void apply_flag(struct compiler *compiler, const struct node *node, void *field)
{
    (void)word_flag(compiler, &node->args[0], field);
}

void apply_true(struct compiler *compiler, const struct node *node, void *field)
{
    (void)compiler, (void)node;
    *(bool *)field = true;
}

/* What people write instead: "10MB", "5 min", "30sec". */
static void complain_size(struct compiler *compiler, const struct word *word)
{
    complain_value(compiler, word);
    compiler->finding->hint =
        TEXT("a size is a number, or one with k, m or g behind it: 512k, 10m");
}

static void complain_time(struct compiler *compiler, const struct word *word)
{
    complain_value(compiler, word);
    compiler->finding->hint = TEXT("a time is a number of seconds, or like 500ms, 30s, 5m, 1h, 1d");
}

void apply_msec(struct compiler *compiler, const struct node *node, void *field)
{
    uint32_t *ms = field;

    if (value_msec(node->args[0].text, ms) < 0)
        complain_time(compiler, &node->args[0]);
}

void apply_size(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t *bytes = field;

    if (value_size(node->args[0].text, bytes) < 0)
        complain_size(compiler, &node->args[0]);
}

void apply_buffer(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t bytes;

    if (value_size(node->args[0].text, &bytes) < 0 || bytes == 0 || bytes > BUFFER_MOST) {
        complain_size(compiler, &node->args[0]);
        return;
    }
    *(uint64_t *)field = bytes;
}

void apply_buffer32(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t bytes;

    if (value_size(node->args[0].text, &bytes) < 0 || bytes == 0 || bytes > BUFFER_MOST) {
        complain_size(compiler, &node->args[0]);
        return;
    }
    *(uint32_t *)field = (uint32_t)bytes;
}

void apply_size32(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t bytes;

    if (value_size(node->args[0].text, &bytes) < 0 || bytes > BUFFER_MOST) {
        complain_size(compiler, &node->args[0]);
        return;
    }
    *(uint32_t *)field = (uint32_t)bytes;
}

void apply_number(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t number;

    if (value_number(node->args[0].text, INT32_MAX, &number) < 0) {
        complain_number(compiler, &node->args[0]);
        return;
    }
    *(uint32_t *)field = (uint32_t)number;
}

void apply_text(struct compiler *compiler, const struct node *node, void *field)
{
    *(struct text *)field = arena_copy(compiler->arena, node->args[0].text);
}

void apply_path(struct compiler *compiler, const struct node *node, void *field)
{
    (void)word_path(compiler, &node->args[0], field);
}

void apply_template(struct compiler *compiler, const struct node *node, void *field)
{
    *(const struct template **)field = word_template(compiler, &node->args[0]);
}

void apply_templates(struct compiler *compiler, const struct node *node, void *field)
{
    struct template_list **end = field;

    if (compiler->is_first)
        *end = NULL;
    while (*end != NULL)
        end = &(*end)->next;
    for (unsigned i = 0; i < node->arg_count; i++, end = &(*end)->next) {
        *end = ARENA_NEW(compiler->arena, struct template_list);
        (*end)->value = word_template(compiler, &node->args[i]);
    }
}
