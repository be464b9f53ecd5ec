/*
 * secrets: bytes pass through one wiped buffer on their way to secret memory.
 */
#include "cli/secrets.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/interrupt.h"
#include "crypto/recovery.h"
#include "crypto/secret.h"

/* Bytes. The longest that a person keeps is a few words or 79 characters of a
 * recovery key; a photo given by mistake is refused. */
#define SECRET_TEXT_MAX ((size_t)1024)

/* Take one trailing "\n" or "\r\n" off: editors put it there. Nothing else is
 * trimmed, for a passphrase may begin or end with a space. */
static void
trim_line_end(struct ks_buf *text)
{
    if (text->len > 0 && text->data[text->len - 1] == '\n') {
        text->len--;
        if (text->len > 0 && text->data[text->len - 1] == '\r')
            text->len--;
    }
}

/* Move the text into secret memory as *out; the buffer is wiped also when that
 * fails. `from` names the place in messages. */
static int
keep_text(struct ks_secret **out, struct ks_buf *text, const char *from,
          struct ks_err *err)
{
    int rc;

    trim_line_end(text);
    if (text->len == 0)
        rc = ks_fail(err, KS_E_USAGE, 0, "%s is empty", from);
    else
        rc = ks_secret_copy(out, text->data, text->len, err);
    ks_buf_wipe(text);
    return rc;
}

int
ks_secret_from_file(struct ks_secret **out, const char *path, const char *what,
                    struct ks_err *err)
{
    struct ks_buf text;

    ks_buf_init(&text, SECRET_TEXT_MAX + 2);
    if (ks_file_read(path, SECRET_TEXT_MAX + 2, &text, err) != KS_OK) {
        ks_buf_wipe(&text);
        return ks_context(err, "%s", what);
    }
    return keep_text(out, &text, path, err);
}

int
ks_raw_key_from_file(struct ks_secret **out, const char *path,
                     struct ks_err *err)
{
    size_t hex_len = 2 * KS_KEY_SIZE;
    char hex[2 * KS_KEY_SIZE + 1] = {0};
    uint8_t key[KS_KEY_SIZE];
    struct ks_buf text;
    int rc;

    ks_buf_init(&text, hex_len + 2);
    rc = ks_file_read(path, hex_len + 2, &text, err);
    /* 32 bytes are raw, whatever they look like: 64 digits are longer, so the
     * two cannot be confused. */
    if (rc == KS_OK && text.len == KS_KEY_SIZE) {
        rc = ks_secret_copy(out, text.data, text.len, err);
    } else if (rc == KS_OK) {
        trim_line_end(&text);
        /* Else hex stays empty, which is no key either. */
        if (text.len == hex_len)
            memcpy(hex, text.data, hex_len);
        if (ks_hex_decode(key, sizeof(key), hex))
            rc = ks_secret_copy(out, key, sizeof(key), err);
        else
            rc = ks_fail(err, KS_E_USAGE, 0,
                         "%s: a raw key is 32 bytes, or 64 hex digits", path);
    }
    ks_wipe(hex, sizeof(hex));
    ks_wipe(key, sizeof(key));
    ks_buf_wipe(&text);
    return rc;
}

/* Append what fd gives, to its end. */
static int
read_descriptor(struct ks_buf *text, int fd, const char *what,
                struct ks_err *err)
{
    for (;;) {
        uint8_t piece[256];
        ssize_t n = read(fd, piece, sizeof(piece));
        int rc = KS_OK;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ks_fail_sys(err, errno, "cannot read the key from %s", what);
        if (n == 0)
            return KS_OK;
        rc = ks_buf_append(text, piece, (size_t)n, err);
        /* The pieces before it were wiped here, too; what a failed read left is
         * empty. */
        ks_wipe(piece, sizeof(piece));
        if (rc != KS_OK)
            return ks_context(err, "the key from %s", what);
    }
}

int
ks_secret_from_fd(struct ks_secret **out, int fd, const char *what,
                  struct ks_err *err)
{
    struct ks_buf text;

    ks_buf_init(&text, SECRET_TEXT_MAX + 2);
    if (read_descriptor(&text, fd, what, err) != KS_OK) {
        ks_buf_wipe(&text);
        return err->code;
    }
    return keep_text(out, &text, what, err);
}

/* In the child: the command, with its stdout in the pipe. stdin and stderr
 * stay, so that it can ask for a password of its own. The signals that we
 * ignore are given back their meaning; caught ones lose their handlers in
 * execl() by themselves. */
static _Noreturn void
run_key_command(const char *command, int out)
{
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_DFL);
    /* dup2() clears close-on-exec for the copy; the pipe itself closes. */
    if (dup2(out, STDOUT_FILENO) >= 0)
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Wait for the command; KS_E_IO unless it ended well. */
static int
wait_for_command(pid_t pid, struct ks_err *err)
{
    int status = 0;
    pid_t got;

    do {
        got = waitpid(pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return ks_fail_sys(err, errno, "the key command");
    /* Ctrl-C reaches the command too; one that catches it just fails. */
    if (ks_interrupted() && status != 0)
        return ks_fail(err, KS_E_CANCELLED, 0, "interrupted");
    if (WIFSIGNALED(status)) {
        return ks_fail(err, KS_E_IO, 0,
                       "the key command was ended by signal %d",
                       WTERMSIG(status));
    }
    if (WEXITSTATUS(status) != 0) {
        return ks_fail(err, KS_E_IO, 0, "the key command failed (exit %d)",
                       WEXITSTATUS(status));
    }
    return KS_OK;
}

int
ks_secret_from_command(struct ks_secret **out, const char *command,
                       struct ks_err *err)
{
    struct ks_err odd = KS_ERR_INIT;
    struct ks_buf text;
    int ends[2];
    pid_t pid;
    int rc;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return ks_fail_sys(err, errno, "cannot run the key command");
    /* No thread has been started yet: the vault is opened after its key. */
    pid = fork();
    if (pid == 0)
        run_key_command(command, ends[1]);
    /* Else our own end would keep the pipe open for ever. */
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return ks_fail_sys(err, errno, "cannot run the key command");
    }
    ks_buf_init(&text, SECRET_TEXT_MAX + 2);
    rc = read_descriptor(&text, ends[0], "the key command", err);
    (void)close(ends[0]);
    /* A failed command explains an empty answer, so it is said first. */
    if (rc == KS_OK)
        rc = wait_for_command(pid, err);
    else
        (void)!wait_for_command(pid, &odd);
    if (rc != KS_OK) {
        ks_buf_wipe(&text);
        return rc;
    }
    return keep_text(out, &text, "what the key command printed", err);
}

int
ks_recovery_from_text(struct ks_secret **out, const struct ks_secret *text,
                      struct ks_err *err)
{
    struct ks_err mistyped = KS_ERR_INIT;
    uint8_t key[KS_RECOVERY_BYTES];
    int rc =
        ks_recovery_parse(key, (const char *)text->data, text->len, &mistyped);

    if (rc == KS_OK)
        rc = ks_secret_copy(out, key, sizeof(key), err);
    else
        /* To the caller it is a wrong key, though none was tried: exit 12. */
        rc = ks_fail(err, KS_E_WRONG_KEY, 0, "%s", mistyped.msg);
    ks_wipe(key, sizeof(key));
    return rc;
}
