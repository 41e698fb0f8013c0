import { closeSync, lstatSync, openSync, readSync, statSync } from "node:fs";

const toSafetensors = "convert it in Python with save_pretrained(folder), which writes safetensors";

const zipMagic = "PK\x03\x04";

/** Signatures of formats that users often pass as weights, each with its description and remedy. */
const signatures: readonly (readonly [magic: string, offset: number, description: string])[] = [
  ["\x93NUMPY", 0, "a single NumPy array (.npy)"],
  ["GGUF", 0, "a GGUF file of llama.cpp: get the safetensors files of the same model"],
  ["\x1f\x8b", 0, "a gzip archive: unpack it first"],
  ["\xfd7zXZ", 0, "an xz archive: unpack it first"],
  ["\x28\xb5\x2f\xfd", 0, "a zstd archive: unpack it first"],
  ["BZh", 0, "a bzip2 archive: unpack it first"],
  ["7z\xbc\xaf", 0, "a 7z archive: unpack it first"],
  ["ustar", 257, "a tar archive: unpack it and give the folder"],
  ["\x89HDF", 0, `an HDF5 file (TensorFlow or Keras): ${toSafetensors}`],
  [zipMagic, 0, "a zip archive: unpack it and give the folder"],
];

/** The number of bytes that `otherFormat` examines. */
export const sniffedBytes = 1024;

/** Describes a PyTorch file, which is a zip like an .npz; undefined for everything else. */
export function torchFile(start: Uint8Array): string | undefined {
  const text = latin1(start);
  // The first member's name follows its 30-byte header.
  const named = /^[^/]+\/(?:data\.pkl|\.format_version|byteorder)/.test(text.slice(30, 230));
  if (!named || !text.startsWith(zipMagic)) return undefined;
  return `a PyTorch file (a zip of pickles): ${toSafetensors}`;
}

/** Whether a file begins with a pickle's protocol, 2 to 5, and the opcode of a tuple, a dictionary or the like. */
function isPickle(start: Uint8Array): boolean {
  const [first, protocol = 0, opcode = 0] = start;
  return (
    first === 0x80 &&
    protocol >= 2 &&
    protocol <= 5 &&
    `.}](c\x8a\x95`.includes(String.fromCharCode(opcode))
  );
}

/** Whether a file begins with a header length below 2^24 in eight bytes and a JSON object. */
function isSafetensors(start: Uint8Array): boolean {
  return start[8] === 0x7b && start.subarray(3, 8).every((byte) => byte === 0);
}

function latin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1", 0, sniffedBytes);
}

/**
 * Describes a file by its first bytes, with a remedy, if they belong to a format that users often pass
 * instead of the right one; undefined for everything else.
 */
export function otherFormat(start: Uint8Array): string | undefined {
  const text = latin1(start);
  if (text === "") return "an empty file: download it again";
  const pointer = /^version https:\/\/\S*git-lfs\S*\s.*?size (\d+)/s.exec(text);
  if (pointer || /^version https:\/\/(?:git-lfs|hawser)\./.test(text)) {
    const size = pointer ? ` (of ${pointer[1]} bytes)` : "";
    return `a Git LFS pointer in place of the file${size}: run git lfs pull, or use hf download`;
  }
  if (/^(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|\?xml)/i.test(text)) {
    return "a web page, such as a login or an error page: accept the licence on huggingface.co, log in with hf auth login, and use hf download";
  }
  const torch = torchFile(start);
  if (torch !== undefined) return torch;
  if (isPickle(start)) {
    return `a Python pickle (an older PyTorch file): ${toSafetensors}`;
  }
  if (isSafetensors(start)) return "a safetensors file";
  return signatures.find(([magic, at]) => text.startsWith(magic, at))?.[2];
}

/** Describes a server's message that was saved instead of a file, such as `Entry not found`; else undefined. */
export function savedMessage(start: Uint8Array): string | undefined {
  const text = latin1(start).trim();
  const message =
    /^(?:entry |repository |page )?not found|^invalid username|^access to |^unauthori[sz]ed|^forbidden|^\{"error":\s*"/i;
  if (!message.test(text)) return undefined;
  return `the message of a server ${JSON.stringify(text.slice(0, 60))}: download the file again`;
}

/** Describes a file that was found instead of a folder or another kind of file. */
export function whatItIs(path: string): string {
  try {
    if (!statSync(path).isFile()) return "something that is not a regular file";
    const fd = openSync(path, "r");
    try {
      const start = Buffer.alloc(sniffedBytes);
      return otherFormat(start.subarray(0, readSync(fd, start, 0, sniffedBytes, 0))) ?? "a file";
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return `a file that cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}

/** Whether a path exists, also as a link whose target is missing. */
export function isPresent(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Describes a link without a target; undefined for anything else. */
export function danglingLink(path: string): string | undefined {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return undefined;
  return "a link whose target is missing (a download that was interrupted, or a cache that was cleaned): download it again";
}
