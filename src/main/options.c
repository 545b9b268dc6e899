// SPDX-License-Identifier: MIT
/* Letters may be gathered ("-tq") and take their value from the rest of the word or from the next
 * one ("-sreload", "-s reload"), as nginx's do. Relative paths: the prefix against the working
 * directory, the configuration and the error log against the prefix.
 *
 * A word without a dash begins what is asked of the running frontdesk ("cache purge ..."). -c, -p, -g
 * and --socket still say which one that is; all else belongs to the question. */
#include "main/options.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/writer.h"

struct reader {
    int           argc, at;
    char *const  *argv;
    struct arena *arena;
    struct text  *message;
};

static int say(struct reader *reader, struct text message)
{
    *reader->message = message;
    return -EINVAL;
}

/* The value of a letter: what stands behind it, or the next word. */
static int value_read(struct reader *reader, char letter, const char *rest, const char *what,
                      struct text *ret_value)
{
    if (*rest == '\0' && reader->at < reader->argc)
        rest = reader->argv[reader->at++];
    if (*rest == '\0')
        return say(reader, arena_format(reader->arena, "option \"-%c\" requires %s", letter, what));
    *ret_value = arena_copy(reader->arena, text_from(rest));
    return 0;
}

static int signal_read(struct reader *reader, const char *rest, struct options *options)
{
    static const char *const known[] = { "stop", "quit", "reopen", "reload" };
    int                      error;

    error = value_read(reader, 's', rest, "parameter", &options->signal);
    if (error < 0)
        return error;
    options->action = ACTION_SIGNAL;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (text_is_equal(options->signal, text_from(known[i])))
            return 0;
    return say(reader, arena_format(reader->arena, "invalid option: \"-s %.*s\"",
                                    TEXT_ARGS(options->signal)));
}

/* Letters with a value use up the word. */
static int letter_read(struct reader *reader, char letter, const char *rest, bool *ret_used_up,
                       struct options *options)
{
    struct config_options *config = &options->config;

    *ret_used_up = strchr("pcegs", letter) != NULL;
    switch (letter) {
    case '?':
    case 'h':
        options->action = ACTION_HELP;
        return 0;
    case 'v':
        options->action = ACTION_VERSION;
        return 0;
    case 'V':
        options->action = ACTION_BUILD;
        return 0;
    case 't':
    case 'T':
        options->action = ACTION_TEST;
        options->is_dump |= letter == 'T';
        return 0;
    case 'q':
        options->is_quiet = true;
        return 0;
    case 'p':
        return value_read(reader, letter, rest, "directory name", &config->prefix);
    case 'c':
        options->has_path = true;
        return value_read(reader, letter, rest, "file name", &config->path);
    case 'e':
        options->has_error_log = true;
        return value_read(reader, letter, rest, "file name", &config->error_log);
    case 'g':
        return value_read(reader, letter, rest, "parameter", &config->globals);
    case 's':
        return signal_read(reader, rest, options);
    default:
        return say(reader, arena_format(reader->arena, "invalid option: \"%c\"", letter));
    }
}

/* ---- what is asked of the running one ---- */

static const char *const questions[] = { "cache", "status" };

enum { QUESTION_COUNT = sizeof(questions) / sizeof(questions[0]), TYPOS_MOST = 2 };

static bool is_question(const char *word)
{
    for (unsigned i = 0; i < QUESTION_COUNT; i++)
        if (strcmp(word, questions[i]) == 0)
            return true;
    return false;
}

static int asked_add(struct reader *reader, const char *word, struct options *options)
{
    struct control_line *asked = &options->asked;

    if (asked->count == CONTROL_WORDS_MOST)
        return say(reader, TEXT("too many words"));
    asked->words[asked->count++] = arena_copy(reader->arena, text_from(word));
    return 0;
}

static int socket_read(struct reader *reader, struct options *options)
{
    if (reader->at == reader->argc || reader->argv[reader->at][0] == '\0')
        return say(reader, TEXT("option \"--socket\" requires a path"));
    options->socket = text_from(reader->argv[reader->at++]);
    return 0;
}

/* Which one is meant, where it stands; anything else is sent. */
static int asked_word_read(struct reader *reader, const char *word, struct options *options)
{
    bool is_used_up;
    int  error;

    if (strcmp(word, "--socket") == 0)
        return socket_read(reader, options);
    if (word[0] == '-' && word[1] != '\0' && strchr("cpg", word[1]) != NULL)
        return letter_read(reader, word[1], word + 2, &is_used_up, options);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        options->is_help = true;
        return 0;
    }
    error = asked_add(reader, word, options);
    if (error == 0 && strcmp(word, "-H") == 0 && reader->at < reader->argc)
        error = asked_add(reader, reader->argv[reader->at++], options);
    return error;
}

static int asked_read(struct reader *reader, const char *first, struct options *options)
{
    int error = asked_add(reader, first, options);

    options->action = ACTION_ASK;
    while (error == 0 && reader->at < reader->argc)
        error = asked_word_read(reader, reader->argv[reader->at++], options);
    return error;
}

static int unknown_say(struct reader *reader, const char *word)
{
    for (unsigned i = 0; i < QUESTION_COUNT; i++)
        if (text_distance(text_from(questions[i]), text_from(word), TYPOS_MOST) <= TYPOS_MOST)
            return say(reader,
                       arena_format(reader->arena, "invalid option: \"%s\"; did you mean \"%s\"?",
                                    word, questions[i]));
    return say(reader, arena_format(reader->arena, "invalid option: \"%s\"", word));
}

/* ---- all of it ---- */

static int word_read(struct reader *reader, const char *word, struct options *options)
{
    bool is_used_up = false;

    if (strcmp(word, "--dump-directives") == 0) {
        options->action = ACTION_DIRECTIVES;
        return 0;
    }
    if (strcmp(word, "--socket") == 0)
        return socket_read(reader, options);
    if (is_question(word))
        return asked_read(reader, word, options);
    if (word[0] != '-' || word[1] == '\0' || word[1] == '-')
        return unknown_say(reader, word);
    for (const char *letter = word + 1; *letter != '\0' && !is_used_up; letter++) {
        int error = letter_read(reader, *letter, letter + 1, &is_used_up, options);

        if (error < 0)
            return error;
    }
    return 0;
}

static struct text path_under(struct arena *arena, struct text base, struct text path)
{
    if (path.len > 0 && path.ptr[0] == '/')
        return path;
    return arena_format(arena, "%.*s%.*s", TEXT_ARGS(base), TEXT_ARGS(path));
}

static struct text working_directory(struct arena *arena)
{
    char path[4096];

    if (getcwd(path, sizeof(path) - 1) == NULL)
        return TEXT("/");
    return arena_format(arena, "%s/", path);
}

static void paths_complete(struct arena *arena, struct options *options)
{
    struct config_options *config = &options->config;
    struct text            here = working_directory(arena);

    config->prefix =
        config->prefix.len == 0 ? TEXT(FRONTDESK_PREFIX) : path_under(arena, here, config->prefix);
    if (!text_has_suffix(config->prefix, TEXT("/")))
        config->prefix = arena_format(arena, "%.*s/", TEXT_ARGS(config->prefix));
    if (options->has_path && config->path.ptr[0] != '/')
        options->path_here = path_under(arena, here, config->path);
    if (options->socket.len > 0)
        options->socket = path_under(arena, here, options->socket);
    config->path = config->path.len == 0 ? TEXT(FRONTDESK_CONF) : config->path;
    config->path = path_under(arena, config->prefix, config->path);
    config->error_log = config->error_log.len == 0 ? TEXT(FRONTDESK_ERROR_LOG) : config->error_log;
    if (!text_is_equal(config->error_log, TEXT("stderr")))
        config->error_log = path_under(arena, config->prefix, config->error_log);
}

int options_parse(int argc, char *const argv[], struct arena *arena, struct options *ret_options,
                  struct text *reterr_message)
{
    struct options options = { .action = ACTION_RUN };
    struct reader  reader = { .argc = argc, .argv = argv, .at = 1, .arena = arena,
                              .message = reterr_message };

    options.config.globals = TEXT("");
    options.config.is_unprivileged = geteuid() != 0;
    while (reader.at < argc) {
        int error = word_read(&reader, argv[reader.at++], &options);

        if (error < 0)
            return error;
    }
    paths_complete(arena, &options);
    *ret_options = options;
    return 0;
}
