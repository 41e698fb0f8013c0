// A local server of one file, with ranges and optional failures.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { closeLater } from "./sandbox.mjs";

/**
 * @param {string} file
 * @param {{ cutAfter?: number, refuseOnce?: number, pauseAt?: number, changedByte?: number }}
 * behaviour
 *   cutAfter: truncates every answer after this many bytes; refuseOnce: answers this request with
 *   403; pauseAt: pauses an answer at this offset of the file until `resume` is called.
 */
export async function serve(file, behaviour = {}) {
  const size = statSync(file).size;
  const state = { requests: [], sent: 0 };
  let resume = () => undefined;
  const resumed = new Promise((resolve) => {
    resume = resolve;
  });
  let pausing = () => undefined;
  const paused = new Promise((resolve) => {
    pausing = resolve;
  });

  async function answer(request, response) {
    state.requests.push(request.headers.range);
    if (state.requests.length === behaviour.refuseOnce) {
      response.writeHead(403).end();
      return;
    }
    const start = Number(request.headers.range?.match(/bytes=(\d+)-/)?.[1] ?? 0);
    const headers = { "content-length": size - start, etag: '"1"' };
    response.writeHead(start > 0 ? 206 : 200, headers);
    let at = start;
    for await (const chunk of createReadStream(file, { start, highWaterMark: 1 << 20 })) {
      const index = (behaviour.changedByte ?? -1) - at;
      if (index >= 0 && index < chunk.length) chunk[index] ^= 1;
      if (at >= (behaviour.pauseAt ?? Number.POSITIVE_INFINITY)) {
        pausing();
        await resumed;
      }
      if (response.destroyed) return;
      response.write(chunk);
      while (response.writableNeedDrain && !response.destroyed) await sleep(2);
      at += chunk.length;
      state.sent += chunk.length;
      if (at - start >= (behaviour.cutAfter ?? Number.POSITIVE_INFINITY)) {
        response.socket?.destroy();
        return;
      }
    }
    response.end();
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    resume();
    server.closeAllConnections();
    server.close();
  };
  closeLater(close);
  const url = `http://127.0.0.1:${server.address().port}/libtorch.zip`;
  return { url, state, size, paused, resume, close };
}
