/* The decoder of libopus with an interface that a page can call: static/studio/engine/opus.wasm is built from this file by
 * script/build-opus. One decoder an instance. It imports nothing and allocates nothing: packets come in by `packet()`, samples
 * go out by `planes()`, two rows of MAX_FRAMES floats, left and right.
 */
#include "opus.h"

#define EXPORT(name) __attribute__((export_name(#name)))
/* As RFC 6716 recommends for an output buffer of an encoder, rounded up. */
#define MAX_PACKET 4096
/* 120 ms at 48 kHz, the longest packet (RFC 6716, section 3.2.5, R5). */
#define MAX_FRAMES 5760

static _Alignas(16) unsigned char state[65536];
static unsigned char bytes[MAX_PACKET];
static float interleaved[2 * MAX_FRAMES];
static float rows[2 * MAX_FRAMES];
static int count;

EXPORT(packet) unsigned char *packet(void) { return bytes; }

EXPORT(planes) float *planes(void) { return rows; }

/* Begins anew. Returns 0, or an error of libopus. */
EXPORT(open) int open_decoder(int rate, int channels) {
  int size = opus_decoder_get_size(channels);
  if (size <= 0 || size > (int)sizeof state) return OPUS_BAD_ARG;
  count = channels;
  return opus_decoder_init((OpusDecoder *)state, rate, channels);
}

/* Decodes the packet of `length` bytes. Returns the frames that lie in `planes()`, or an error of libopus, which is negative. */
EXPORT(decode) int decode(int length) {
  float *out = count == 2 ? interleaved : rows;
  int frames = opus_decode_float((OpusDecoder *)state, bytes, length, out, MAX_FRAMES, 0);
  if (count == 2) {
    for (int i = 0; i < frames; i++) {
      rows[i] = interleaved[2 * i];
      rows[MAX_FRAMES + i] = interleaved[2 * i + 1];
    }
  }
  return frames;
}
