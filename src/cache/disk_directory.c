// SPDX-License-Identifier: MIT
#include "cache/disk_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define SUPERBLOCK "frontdesk-cache"
#define SUPERBLOCK_NEW "frontdesk-cache.new"
#define FIRST_LINE "frontdesk cache, format 1\n"

enum { MODE = 0600, FOLDER_MODE = 0700, SUPERBLOCK_BYTES = 1024, NUMBER_DIGITS = 20 };

static const char *const known[] = { SUPERBLOCK, SUPERBLOCK_NEW, "starts", "index",
                                     "index.new", "large",          "lost+found" };

struct text directory_segment_name(uint32_t number, char buffer[32])
{
    int len = snprintf(buffer, 32, "segment-%010" PRIu32, number);

    return text_of(buffer, (size_t)len);
}

uint32_t directory_segment_number(const char *name)
{
    char     again[32];
    uint64_t number;

    if (!text_has_prefix(text_from(name), TEXT("segment-")) ||
        text_to_u64(text_from(name + strlen("segment-")), &number) < 0 || number == 0 ||
        number > UINT32_MAX)
        return 0;
    (void)directory_segment_name((uint32_t)number, again);
    return strcmp(name, again) == 0 ? (uint32_t)number : 0;
}

static bool is_known(const char *name)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || directory_segment_number(name) > 0)
        return true;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

/* ---- what is in it ---- */

struct findings {
    bool has_superblock, has_ours;
    char foreign[NAME_MAX + 1];          /* the first that is not ours; "": none */
};

static void note(struct findings *findings, const char *name)
{
    if (!is_known(name)) {
        if (findings->foreign[0] == '\0')
            (void)snprintf(findings->foreign, sizeof(findings->foreign), "%s", name);
    } else if (strcmp(name, SUPERBLOCK) == 0) {
        findings->has_superblock = true;
    } else if (directory_segment_number(name) > 0) {
        findings->has_ours = true;
    }
}

static DIR *list_open(int fd)
{
    int  again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again < 0 ? NULL : fdopendir(again);

    if (list == NULL && again >= 0)
        (void)close(again);
    return list;
}

static int look(int fd, struct findings *findings)
{
    DIR           *list = list_open(fd);
    struct dirent *entry;

    memset(findings, 0, sizeof(*findings));
    if (list == NULL)
        return -errno;
    while ((entry = readdir(list)) != NULL)
        note(findings, entry->d_name);
    (void)closedir(list);
    return 0;
}

/* Only what bears a name that we give. */
static void remove_ours(int fd)
{
    DIR           *list = list_open(fd);
    struct dirent *entry;

    if (list == NULL)
        return;
    while ((entry = readdir(list)) != NULL)
        if (directory_segment_number(entry->d_name) > 0)
            (void)unlinkat(fd, entry->d_name, 0);
    (void)closedir(list);
    (void)unlinkat(fd, "index", 0);
    (void)unlinkat(fd, "index.new", 0);
}

/* ---- frontdesk-cache ---- */

static int write_all(int fd, struct text text)
{
    ssize_t n = pwrite(fd, text.ptr, text.len, 0);

    if (n < 0)
        return -errno;
    if ((size_t)n < text.len)
        return -ENOSPC;
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int superblock_write(int fd, uint64_t seed)
{
    char text[SUPERBLOCK_BYTES];
    int  file, r;

    (void)snprintf(
        text, sizeof(text),
        FIRST_LINE
        "seed %016" PRIx64 "\n"
                   "\n"
                   "A cache of frontdesk. Files named segment-* hold stored answers, those in large/\n"
                   "long bodies; index says where they lie. To empty it, stop frontdesk and remove\n"
                   "everything here. Keep the seed above secret.\n",
                   seed);
    file = openat(fd, SUPERBLOCK_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    if (file < 0)
        return -errno;
    r = write_all(file, text_from(text));
    (void)close(file);
    if (r == 0 && (renameat(fd, SUPERBLOCK_NEW, fd, SUPERBLOCK) < 0 || fsync(fd) < 0))
        r = -errno;
    return r;
}

/* -EINVAL: damaged or of another version. */
static int superblock_read(int fd, uint64_t *ret_seed)
{
    char        bytes[SUPERBLOCK_BYTES];
    int         file = openat(fd, SUPERBLOCK, O_RDONLY | O_CLOEXEC);
    ssize_t     n = file < 0 ? -1 : read(file, bytes, sizeof(bytes));
    int         error = errno;
    struct text rest, line;

    if (file >= 0)
        (void)close(file);
    if (n < 0)
        return -error;
    rest = text_of(bytes, (size_t)n);
    if (!text_has_prefix(rest, TEXT(FIRST_LINE)))
        return -EINVAL;
    rest = text_from_offset(rest, strlen(FIRST_LINE));
    if (!text_split(&rest, '\n', &line) || !text_has_prefix(line, TEXT("seed ")) ||
        line.len != strlen("seed ") + 16)
        return -EINVAL;
    return text_to_u64_hex(text_from_offset(line, strlen("seed ")), ret_seed);
}

static int superblock_take(struct disk_directory *directory, const struct findings *findings,
                           char words[DIRECTORY_WORDS_BYTES])
{
    uint64_t seed = directory->seed;
    int      r = findings->has_superblock ? superblock_read(directory->fd, &directory->seed) : -ENOENT;

    if (r != -EINVAL && r != -ENOENT)
        return r;
    if (r == -EINVAL) {
        (void)snprintf(words, DIRECTORY_WORDS_BYTES,
                       "its file " SUPERBLOCK " is damaged or of another version: it starts empty");
        remove_ours(directory->fd);
    }
    directory->seed = seed;
    return superblock_write(directory->fd, directory->seed);
}

/* ---- starts ---- */

/* Under its own lock: another process may have the directory for as long as it likes. */
static int count_start(int fd, uint64_t *ret_start)
{
    char     text[NUMBER_DIGITS + 2];
    int      file = openat(fd, "starts", O_RDWR | O_CREAT | O_CLOEXEC, MODE), r;
    ssize_t  n;
    uint64_t start = 0;

    if (file < 0 || flock(file, LOCK_EX) < 0) {
        r = -errno;
        if (file >= 0)
            (void)close(file);
        return r;
    }
    n = pread(file, text, sizeof(text), 0);
    if (n != NUMBER_DIGITS + 1 || text_to_u64(text_of(text, NUMBER_DIGITS), &start) < 0)
        start = 0;
    start++;
    (void)snprintf(text, sizeof(text), "%0*" PRIu64 "\n", NUMBER_DIGITS, start);
    r = write_all(file, text_of(text, NUMBER_DIGITS + 1));
    (void)close(file);
    *ret_start = start;
    return r;
}

/* ---- all of it ---- */

static int open_checked(struct disk_directory *directory, char words[DIRECTORY_WORDS_BYTES])
{
    struct findings findings;
    int             r = look(directory->fd, &findings);

    if (r < 0)
        return r;
    if (!findings.has_superblock && (findings.foreign[0] != '\0' || findings.has_ours)) {
        (void)snprintf(words, DIRECTORY_WORDS_BYTES,
                       "it is not empty and no cache of ours: \"%s\" is in it",
                       findings.foreign[0] != '\0' ? findings.foreign : "segment-...");
        return -EEXIST;
    }
    if (findings.foreign[0] != '\0')
        (void)snprintf(words, DIRECTORY_WORDS_BYTES, "\"%s\" in it is not ours and left alone",
                       findings.foreign);
    r = superblock_take(directory, &findings, words);
    if (r < 0 || (r = count_start(directory->fd, &directory->start)) < 0)
        return r;
    if (directory->start == 1 && findings.has_ours) {
        /* What was stored might have larger serials than a purge that comes now. */
        (void)snprintf(words, DIRECTORY_WORDS_BYTES,
                       "its file \"starts\" is damaged: it starts empty");
        remove_ours(directory->fd);
    }
    if (mkdirat(directory->fd, "large", FOLDER_MODE) < 0 && errno != EEXIST)
        return -errno;
    directory->large_fd = openat(directory->fd, "large", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->large_fd < 0)
        return -errno;
    directory->lock_fd = openat(directory->fd, SUPERBLOCK, O_RDONLY | O_CLOEXEC);
    return directory->lock_fd < 0 ? -errno : 0;
}

int directory_open(const char *path, uint64_t seed, struct disk_directory *ret_directory,
                   char ret_words[DIRECTORY_WORDS_BYTES])
{
    struct disk_directory directory = { .seed = seed, .large_fd = -1, .lock_fd = -1 };
    int                   r;

    ret_words[0] = '\0';
    directory.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = directory.fd < 0 ? -errno : open_checked(&directory, ret_words);
    if (r < 0) {
        if (ret_words[0] == '\0')
            (void)snprintf(ret_words, DIRECTORY_WORDS_BYTES, "%s", log_errno(-r).text);
        directory_close(&directory);
        return r;
    }
    *ret_directory = directory;
    return 0;
}

void directory_close(struct disk_directory *directory)
{
    int *fds[] = { &directory->lock_fd, &directory->large_fd, &directory->fd };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

bool directory_lock(struct disk_directory *directory)
{
    return flock(directory->lock_fd, LOCK_EX | LOCK_NB) == 0;
}

void directory_unlock(struct disk_directory *directory)
{
    (void)flock(directory->lock_fd, LOCK_UN);
}
