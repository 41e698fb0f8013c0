// Runs before each test file. An `afterAll` in a shared module would run after the first file only.
import { afterAll } from "vitest";
import { removeFolders } from "./folder.js";

afterAll(removeFolders);
