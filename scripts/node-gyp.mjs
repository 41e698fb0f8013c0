#!/usr/bin/env node
// What prebuildify runs in place of node-gyp: the same CMake build, without downloading Node headers.
import { buildNative } from "./build-native.mjs";

buildNative([]).then((code) => {
  process.exitCode = code;
});
