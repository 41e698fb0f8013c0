import * as library from "@huggingface/tokenizers";

// The package's own declarations (0.2.0) import without file endings, which Node's resolution does
// not find, so that everything in them would be `any`: the part used here is declared instead.

/** A decoding step: raw tokens in, texts out. */
export interface Decoder {
  readonly config: { readonly type: string };
  decode_chain(tokens: string[]): string[];
}

/** A sequence of decoding steps. */
export interface SequenceDecoder extends Decoder {
  decoders: Decoder[];
}

/** The library's tokenizer, as far as it is used. */
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
