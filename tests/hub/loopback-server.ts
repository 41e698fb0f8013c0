/** One HTTP server of the loopback hub: what it was asked, and faults that change its answers. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** The kinds of request, which faults name. */
export type Place = "head" | "resolve" | "cdn" | "xet-token" | "reconstruction" | "xorb";

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Sends this many bytes of the body, then breaks the connection. */
  readonly cutAfter?: number;
  /** Before the headers. */
  readonly delayMs?: number;
  /** Between pieces of the body; `pieceBytes` each. */
  readonly paceMs?: number;
}

export interface Asked {
  readonly place: Place;
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
}

export type Fault = (answer: Answer, asked: Asked) => Answer;
export type Handler = (asked: Asked) => Answer;

const pieceBytes = 16_384;

/** The state that the servers of one hub share. */
export class Faults {
  readonly asked: Asked[] = [];
  #faults: { place: Place; fault: Fault; times: number }[] = [];

  /** Changes the next `times` answers at one place. */
  add(place: Place, fault: Fault, times = 1): void {
    this.#faults.push({ place, fault, times });
  }

  clear(): void {
    this.#faults = [];
  }

  count(place: Place): number {
    return this.asked.filter((asked) => asked.place === place).length;
  }

  apply(answer: Answer, asked: Asked): Answer {
    const found = this.#faults.find(({ place, times }) => place === asked.place && times > 0);
    if (found === undefined) return answer;
    found.times--;
    return found.fault(answer, asked);
  }
}

export interface LoopbackServer {
  readonly origin: string;
  close(): Promise<void>;
}

/** Answers every request by the handler of its place, unless a fault changes it. */
export async function serve(
  faults: Faults,
  placeOf: (method: string, url: URL) => Place,
  handler: Handler,
  host: string,
  tls?: ServerOptions,
): Promise<LoopbackServer> {
  const scheme = tls === undefined ? "http" : "https";
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", `${scheme}://${request.headers.host}`);
    const method = request.method ?? "GET";
    const asked = { place: placeOf(method, url), method, url, headers: request.headers };
    faults.asked.push(asked);
    void write(response, method, faults.apply(handler(asked), asked));
  };
  const server: Server =
    tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${scheme}://${host}:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function write(response: ServerResponse, method: string, answer: Answer): Promise<void> {
  const { status, headers = {}, cutAfter, delayMs = 0, paceMs } = answer;
  const body = Buffer.from(answer.body ?? "");
  if (delayMs > 0) await sleep(delayMs);
  if (cutAfter === -1) {
    response.socket?.destroy();
    return;
  }
  response.on("error", () => undefined);
  response.writeHead(status, { "content-length": body.length, ...headers });
  if (method === "HEAD") {
    response.end();
    return;
  }
  const whole = cutAfter === undefined ? body : body.subarray(0, cutAfter);
  response.setMaxListeners(0);
  const step = paceMs === undefined ? Math.max(whole.length, 1) : pieceBytes;
  for (let at = 0; at < whole.length && !response.destroyed; at += step) {
    await new Promise((resolve) => {
      response.write(whole.subarray(at, at + step), resolve);
      response.once("close", resolve);
    });
    if (paceMs !== undefined) await sleep(paceMs);
  }
  if (cutAfter === undefined) response.end();
  // Not before the last bytes are in flight.
  else setTimeout(() => response.socket?.destroy(), 20);
}

/** The part of `bytes` that a Range header asks for: 206, 416, or all of it. */
export function ranged(asked: Asked, bytes: Uint8Array, headers: Record<string, string>): Answer {
  const range = /^bytes=(\d+)-(\d*)$/.exec(asked.headers.range ?? "");
  if (range === null) return { status: 200, headers, body: bytes };
  const start = Number(range[1]);
  const end = Math.min(range[2] === "" ? bytes.length : Number(range[2]) + 1, bytes.length);
  if (start >= bytes.length) {
    return { status: 416, headers: { "content-range": `bytes */${bytes.length}` } };
  }
  return {
    status: 206,
    headers: { ...headers, "content-range": `bytes ${start}-${end - 1}/${bytes.length}` },
    body: bytes.subarray(start, end),
  };
}

/** Faults by name. */
export const cut =
  (after: number): Fault =>
  (answer) => ({ ...answer, cutAfter: after });
export const refuse = (): Fault => (answer) => ({ ...answer, cutAfter: -1 });
export const slow =
  (paceMs: number): Fault =>
  (answer) => ({ ...answer, paceMs });
export const late =
  (delayMs: number): Fault =>
  (answer) => ({ ...answer, delayMs });
export const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  () => ({ status: code, headers, body: "no" });
export const header =
  (name: string, value: string): Fault =>
  (answer) => ({ ...answer, headers: { ...answer.headers, [name]: value } });
/** One bit of the last byte is another. */
export const wrongBytes = (): Fault => (answer) => {
  const body = Buffer.from(answer.body ?? "");
  body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
  return { ...answer, body };
};
