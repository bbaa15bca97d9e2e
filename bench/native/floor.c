/*
 * floor: an agent that does nothing but answer. What an agent costs above it is the agent's own.
 *
 *   floor PORT | PATH [RECORDS-PORT]      listens on 127.0.0.1 or on a Unix socket, until SIGTERM
 *
 * Of a NOTIFY it reads the length, the type and the two ids that the ACK needs. All frames of one read are answered
 * by one write, as by the agent. Records that HAProxy sends to RECORDS-PORT (UDP) are taken and thrown away: a socket
 * that nobody listens on would be cheaper for the kernel than one that is read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "spop.h"

enum { ROOM = 1 << 16 };

struct peer {
    int socket;
    size_t held;             /* bytes of an unfinished frame at the start of `in` */
    uint8_t in[ROOM];
};

/* An ACK is never longer than its NOTIFY, and HELLOs come alone: one buffer serves all, since writes are whole. */
static uint8_t out[ROOM + 256];

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static uint8_t *greet(uint8_t *at)
{
    static const char body[] = "\0\0" "\x07version\x08\x03" "2.0" "\x0emax-frame-size\x03\xfc\xf0\x06"
                               "\x0c" "capabilities\x08\x0apipelining";
    uint8_t *rest = write_head(at, AGENT_HELLO, sizeof body - 1);
    memcpy(rest, body, sizeof body - 1);
    return rest + sizeof body - 1;
}

/* Write the answer to one frame at `at`; return where it ends, NULL for what ends the connection. */
static uint8_t *answer(const uint8_t *frame, const uint8_t *end, uint8_t *at)
{
    const uint8_t *ids = frame + HEAD;
    uint64_t ignored;

    if (frame[0] == HAPROXY_HELLO)
        return greet(at);
    if (frame[0] != NOTIFY)
        return NULL;
    const uint8_t *after = read_varint(read_varint(ids, end, &ignored), end, &ignored);
    if (after == NULL)
        return NULL;
    uint8_t *rest = write_head(at, ACK, (size_t)(after - ids));
    memcpy(rest, ids, (size_t)(after - ids));
    return rest + (after - ids);
}

/* HAProxy has room for its answers: at most 20 wait on one connection. A write that does not go out whole is a fault. */
static int write_all(int socket, size_t size)
{
    return size == 0 || send(socket, out, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* Answer all that came with one read; return 0 when the connection has ended. */
static int serve(struct peer *peer)
{
    ssize_t came = recv(peer->socket, peer->in + peer->held, ROOM - peer->held, 0);
    if (came < 0 && (errno == EAGAIN || errno == EINTR))
        return 1;
    if (came <= 0)
        return 0;

    const uint8_t *at = peer->in, *end = peer->in + peer->held + came;
    uint8_t *to = out;
    while (end - at >= LENGTH) {
        uint32_t length = read_length(at);
        if (length < HEAD + 2 || length > LARGEST_FRAME)
            return 0;
        if ((size_t)(end - at) < LENGTH + length)
            break;
        to = answer(at + LENGTH, at + LENGTH + length, to);
        if (to == NULL)
            return 0;
        at += LENGTH + length;
    }
    peer->held = (size_t)(end - at);
    memmove(peer->in, at, peer->held);
    return write_all(peer->socket, (size_t)(to - out));
}

static int listen_tcp(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024))
        fail("floor: listen");
    return fd;
}

static int listen_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (strlen(path) >= sizeof address.sun_path)
        fail("floor: path too long");
    strcpy(address.sun_path, path);
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024))
        fail("floor: listen");
    return fd;
}

static int take_records(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
        fail("floor: records");
    return fd;
}

static void watch(int poll, int fd, void *who)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = who };
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event))
        fail("floor: epoll");
}

static void accept_one(int poll, int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);   /* refused on a Unix socket, where it means nothing */
    struct peer *peer = malloc(sizeof *peer);
    if (peer == NULL)
        fail("floor: memory");
    peer->socket = fd;
    peer->held = 0;
    watch(poll, fd, peer);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fputs("usage: floor PORT | PATH [RECORDS-PORT]\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = strchr(argv[1], '/') ? listen_unix(argv[1]) : listen_tcp((uint16_t)atoi(argv[1]));
    int records = argc == 3 ? take_records((uint16_t)atoi(argv[2])) : -1;
    int poll = epoll_create1(0);
    watch(poll, listener, &listener);
    if (records >= 0)
        watch(poll, records, &records);

    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            void *who = events[i].data.ptr;
            if (who == &listener) {
                accept_one(poll, listener);
            } else if (who == &records) {
                while (recv(records, out, sizeof out, 0) >= 0)
                    ;
            } else if (!serve(who)) {
                close(((struct peer *)who)->socket);
                free(who);
            }
        }
    }
}
