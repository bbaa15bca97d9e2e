/* What both programs know of SPOP (SPOE.txt, 3.2): the head of a frame, and HAProxy's variable-length integers. */
#ifndef BENCH_SPOP_H
#define BENCH_SPOP_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum frame_type {
    HAPROXY_HELLO = 1,
    HAPROXY_DISCONNECT = 2,
    NOTIFY = 3,
    AGENT_HELLO = 101,
    AGENT_DISCONNECT = 102,
    ACK = 103,
};

enum {
    LENGTH = 4,              /* bytes of a frame's length, which does not count itself */
    HEAD = 5,                /* type and flags */
    LARGEST_FRAME = 16380,   /* HAProxy's max-frame-size: tune.bufsize less 4 */
};

static inline uint32_t read_length(const uint8_t *at)
{
    uint32_t length;
    memcpy(&length, at, LENGTH);
    return ntohl(length);
}

/* Write a frame's length, type and flags (FIN); return where the rest goes, which has `size` bytes. */
static inline uint8_t *write_head(uint8_t *at, enum frame_type type, size_t size)
{
    uint32_t length = htonl((uint32_t)(HEAD + size));
    memcpy(at, &length, LENGTH);
    at[LENGTH] = (uint8_t)type;
    memcpy(at + LENGTH + 1, "\0\0\0\1", 4);
    return at + LENGTH + HEAD;
}

/* Write a varint; return where it ends. Ten bytes are enough for any. */
static inline uint8_t *write_varint(uint8_t *at, uint64_t value)
{
    if (value < 240) {
        *at++ = (uint8_t)value;
        return at;
    }
    *at++ = (uint8_t)(0xf0 | (value & 0xf));
    for (value = (value - 240) >> 4; value >= 128; value = (value - 128) >> 7)
        *at++ = (uint8_t)(0x80 | (value & 0x7f));
    *at++ = (uint8_t)value;
    return at;
}

/* Read a varint; return where it ends, or NULL if it does not end before `end`. */
static inline const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    if (at == NULL || at >= end)
        return NULL;
    *value = *at++;
    if (*value < 240)
        return at;
    for (int shift = 4; at < end && shift < 64; shift += 7) {
        *value += (uint64_t)*at << shift;
        if (*at++ < 128)
            return at;
    }
    return NULL;
}

#endif
