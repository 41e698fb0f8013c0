import * as library from "@huggingface/tokenizers";

// The package's own declarations (0.2.0) import without file extensions. Node's resolution does not find
// those files, so their types would be `any`. This file declares the part that gemlens uses.

/** A decoding step, from raw tokens to texts. */
export interface Decoder {
  readonly config: { readonly type: string };
  decode_chain(tokens: string[]): string[];
}

/** A sequence of decoding steps. */
export interface SequenceDecoder extends Decoder {
  decoders: Decoder[];
}

/** The part of the library's tokenizer that gemlens uses. */
export interface HuggingFaceTokenizer {
  readonly model: { readonly vocab: readonly (string | undefined)[] };
  decoder: Decoder | null;
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

interface Library {
  readonly Tokenizer: new (tokenizer: object, config: object) => HuggingFaceTokenizer;
  readonly ByteFallbackDecoder: new (config: { type: "ByteFallback" }) => Decoder;
  readonly SequenceDecoder: new (config: object) => SequenceDecoder;
}

export const { Tokenizer, ByteFallbackDecoder, SequenceDecoder } = library as unknown as Library;
