// SPDX-License-Identifier: MIT
/* The kernel shows the bytes where it put the arguments, followed by those of the environment when
 * the last argument's NUL is gone; so writing there is how a process renames itself. */
#include "main/title.h"

#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/writer.h"

static struct {
    char  *start;
    size_t size;
    char   words[1024];                  /* the command line, joined */
    char **arguments, **environment;     /* copies, for life */
    char **list;                         /* of the environment, from which unsetenv() may take some */
} title;

static void words_join(int argc, char **argv)
{
    struct writer writer = writer_fixed(title.words, sizeof(title.words) - 1);

    for (int i = 0; i < argc; i++) {
        writer_string(&writer, i > 0 ? " " : "");
        writer_string(&writer, argv[i]);
    }
    title.words[writer.len] = '\0';
}

static size_t environment_count(void)
{
    size_t count = 0;

    while (environ != NULL && environ[count] != NULL)
        count++;
    return count;
}

/* Takes in the string if it stands right behind what we have. */
static void room_extend(char *string)
{
    if (string == title.start + title.size)
        title.size += strlen(string) + 1;
}

static char **strings_copy(char *const *strings, size_t count)
{
    char **copy = mem_new((count + 1) * sizeof(*copy));

    for (size_t i = 0; i < count; i++)
        copy[i] = mem_string(strings[i], strlen(strings[i]));
    return copy;
}

char **title_init(int argc, char **argv)
{
    size_t count = environment_count();

    if (argc == 0)
        return argv;
    words_join(argc, argv);
    title.start = argv[0];
    for (int i = 0; i < argc; i++)
        room_extend(argv[i]);
    for (size_t i = 0; i < count; i++)
        room_extend(environ[i]);
    title.environment = strings_copy(environ, count);
    title.list = environ = mem_new((count + 1) * sizeof(*environ));
    memcpy(environ, title.environment, count * sizeof(*environ));
    title.arguments = strings_copy(argv, (size_t)argc);
    return title.arguments;
}

static void title_set(const char *role, const char *words)
{
    struct writer writer = writer_fixed(title.start, title.size > 0 ? title.size - 1 : 0);

    if (title.size == 0)
        return;
    memset(title.start, 0, title.size);
    writer_string(&writer, "frontdesk: ");
    writer_string(&writer, role);
    writer_string(&writer, words);
}

void title_set_master(void)
{
    title_set("master process ", title.words);
}

void title_set_worker(void)
{
    title_set("worker process", "");
    (void)prctl(PR_SET_NAME, "frontdesk:work", 0, 0, 0);
}
