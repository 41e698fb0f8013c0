/** A hub, a cache and an environment for each test of a file. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { patience } from "../../lib/hub/retry.js";
import { LoopbackHub } from "./loopback-hub.js";

export const caller = "fromPretrained";
export const repo = "google/gemma-2-2b";

const ours = /^(?:HF_|HUGGING|TRANSFORMERS_OFFLINE$|XDG_CACHE_HOME$|(?:https?|no|all)_proxy$)/i;

/** The hub and folders of one test, made anew for each. */
export interface Place {
  hub: LoopbackHub;
  /** HF_HUB_CACHE. */
  cache: string;
  /** HF_HOME. */
  home: string;
}

/** Gives each test a hub and an empty cache, which the environment names, and nothing of this machine's. */
export function useHub(): Place {
  const place = {} as Place;
  const before = { ...process.env };
  beforeEach(async () => {
    patience.firstPauseMs = 20;
    for (const name of Object.keys(process.env)) if (ours.test(name)) delete process.env[name];
    place.home = mkdtempSync(join(tmpdir(), "gemlens-hub-"));
    place.cache = join(place.home, "hub");
    place.hub = await LoopbackHub.start();
    process.env["HF_HOME"] = place.home;
    process.env["HF_ENDPOINT"] = place.hub.endpoint;
  });
  afterEach(async () => {
    await place.hub.close();
    rmSync(place.home, { recursive: true, force: true });
    for (const name of Object.keys(process.env)) if (ours.test(name)) delete process.env[name];
    Object.assign(process.env, before);
  });
  return place;
}

/** All files and links below a folder, sorted. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** The error that a promise rejects with. */
export async function failure(
  promise: Promise<unknown>,
): Promise<Error & { fields?: Record<string, unknown> }> {
  return await promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${String(value)}`);
    },
    (error) => error,
  );
}
