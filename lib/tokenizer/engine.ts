import { ByteFallback } from "./byte-fallback.js";
import { fail } from "./fail.js";
import {
  type Decoder,
  type HuggingFaceTokenizer,
  SequenceDecoder,
  Tokenizer,
} from "./hugging-face.js";
import { readTokenizerFiles, type SpecialToken, type TokenizerFiles } from "./tokenizer-files.js";

/** The parsed files and the library's tokenizer. Building it is expensive, so it is lazy. */
export interface Engine extends TokenizerFiles {
  readonly huggingFace: HuggingFaceTokenizer;
  readonly vocabSize: number;
  readonly specialIds: ReadonlySet<number>;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly padId: number | null;
}

/** Builds the tokenizer of a folder, which takes seconds for a vocabulary of 256k. Throws TOKENIZER. */
export function loadEngine(dir: string): Engine {
  const files = readTokenizerFiles(dir);
  let huggingFace: HuggingFaceTokenizer;
  try {
    // Pass no config: the library would use keys of it that Python's tokenizers do not.
    huggingFace = new Tokenizer(files.tokenizer, {});
  } catch (error) {
    return fail(files.file, "model", "a tokenizer that loads", (error as Error).message, error);
  }
  replaceByteFallback(huggingFace);
  const idOf = (token: SpecialToken | null, field: string): number | null => {
    if (token === null) return null;
    const { text, file } = token;
    const id = huggingFace.token_to_id(text);
    return id ?? fail(file, field, "a token of the vocabulary", JSON.stringify(text));
  };
  return {
    ...files,
    huggingFace,
    vocabSize: huggingFace.model.vocab.length,
    specialIds: new Set(
      files.tokenizer.added_tokens.filter(({ special }) => special).map(({ id }) => id),
    ),
    bosId: idOf(files.bos, "bos_token"),
    eosId: idOf(files.eos, "eos_token"),
    padId: idOf(files.pad, "pad_token"),
  };
}

function replaceByteFallback(tokenizer: HuggingFaceTokenizer): void {
  const own = new ByteFallback({ type: "ByteFallback" });
  const isStock = (decoder: Decoder): boolean => decoder.config.type === "ByteFallback";
  if (tokenizer.decoder instanceof SequenceDecoder) {
    const { decoders } = tokenizer.decoder;
    tokenizer.decoder.decoders = decoders.map((decoder) => (isStock(decoder) ? own : decoder));
  } else if (tokenizer.decoder && isStock(tokenizer.decoder)) {
    tokenizer.decoder = own;
  }
}
