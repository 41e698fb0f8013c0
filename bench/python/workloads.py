"""The workloads that a peer can time. Each imports its own packages, so an environment needs only
those of its workloads."""

import time

import torch
import torch.nn.functional as F

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def finish(device):
    """Waits for the work: on a GPU it still runs when its call returns."""
    if device != "cpu":
        torch.cuda.synchronize()


def load(request, loaded):
    """`loaded` has the earlier workloads, because a wrapper may share transformers' weights."""
    return KINDS[request["kind"]](request, loaded)


class LanguageModel:
    """A forward and a greedy decode by the subclass's `logits` and `step`."""

    def forward(self, request):
        self.logits(self.ids(request))

    def decode(self, request):
        """Milliseconds of the steps, without the prompt."""
        _, ms = self.generate(request)
        return ms

    def output(self, request):
        if request["work"] == "decode":
            tokens, _ = self.generate(request)
            return torch.tensor(tokens)
        return self.logits(self.ids(request))[0]

    def ids(self, request):
        return torch.tensor([request["tokens"]], device=self.device)

    def generate(self, request):
        """The greedy tokens of the prompt and of each step, and the milliseconds of the steps."""
        logits, cache = self.step(self.ids(request), None)
        tokens = [int(logits[0, -1].argmax())]
        start = time.perf_counter()
        for _ in range(request["steps"]):
            last = torch.tensor([[tokens[-1]]], device=self.device)
            logits, cache = self.step(last, cache)
            tokens.append(int(logits[0, -1].argmax()))
        return tokens, 1000 * (time.perf_counter() - start)


class Transformers(LanguageModel):
    def __init__(self, request, loaded):
        from transformers import AutoModelForCausalLM

        # "sdpa" would drop Gemma 2's soft cap; eager attention keeps it.
        self.model = AutoModelForCausalLM.from_pretrained(
            request["folder"], dtype=DTYPES[request["dtype"]], attn_implementation="eager"
        ).eval()
        self.device = request["device"]
        self.model.to(self.device)

    def logits(self, ids):
        return self.model(input_ids=ids, use_cache=False).logits

    def step(self, ids, cache):
        out = self.model(input_ids=ids, past_key_values=cache, use_cache=True)
        return out.logits, out.past_key_values


def transformers_model(request, loaded):
    """transformers' model: an earlier one (`"of": id`), or a new one."""
    shared = loaded.get(request.get("of"))
    return (shared or Transformers(request, loaded)).model


class Bridge(LanguageModel):
    """TransformerLens 4's bridge with its defaults: raw weights, eager attention, all hook points."""

    def __init__(self, request, loaded):
        from transformer_lens.model_bridge import TransformerBridge

        self.model = TransformerBridge.boot_transformers(
            request["folder"],
            hf_model=transformers_model(request, loaded),
            device=request["device"],
            dtype=DTYPES[request["dtype"]],
        )
        self.device = request["device"]

    def logits(self, ids):
        return self.model(ids)

    def step(self, ids, cache):
        return self.model(
            ids, return_type="logits_and_cache", past_key_values=cache, use_cache=True
        )


class Hooked(LanguageModel):
    """TransformerLens 3's HookedTransformer with unprocessed weights (no_processing)."""

    def __init__(self, request, loaded):
        from transformer_lens import HookedTransformer
        from transformer_lens.loading_from_pretrained import get_pretrained_model_config
        from transformer_lens.pretrained.weight_conversions import convert_gemma_weights

        source = transformers_model(request, loaded)
        cfg = get_pretrained_model_config(
            "gemma-2-2b", dtype=DTYPES[request["dtype"]], device=request["device"]
        )
        # gemma-2-2b with fewer layers and a smaller vocabulary, and no tokenizer.
        cfg.n_layers = source.config.num_hidden_layers
        cfg.attn_types = cfg.attn_types[: cfg.n_layers]
        cfg.d_vocab = cfg.d_vocab_out = source.config.vocab_size
        cfg.tokenizer_name = None
        self.model = HookedTransformer(cfg, move_to_device=False)
        self.model.load_and_process_state_dict(
            convert_gemma_weights(source, cfg),
            fold_ln=False,
            center_writing_weights=False,
            center_unembed=False,
            fold_value_biases=False,
        )
        self.device = request["device"]
        self.model.to(self.device)
        self.model.eval()

    def logits(self, ids):
        return self.model(ids)

    def step(self, ids, cache):
        from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

        if cache is None:
            cache = TransformerLensKeyValueCache.init_cache(self.model.cfg, self.device, 1)
        # It cannot find padding without a tokenizer, so the mask excludes none.
        mask = torch.ones_like(ids)
        return self.model(ids, past_kv_cache=cache, attention_mask=mask), cache


class SaeLens:
    """SAELens' JumpReLU class over the arrays of a params.safetensors."""

    def __init__(self, request, loaded):
        from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig
        from safetensors.torch import load_file

        arrays = load_file(request["path"])
        names = {"w_enc": "W_enc", "w_dec": "W_dec"}
        state = {names.get(name, name): value for name, value in arrays.items()}
        width, dim = state["W_dec"].shape
        cfg = JumpReLUSAEConfig(
            d_in=dim, d_sae=width, device=request["device"], dtype="float32", apply_b_dec_to_input=False
        )
        self.coder = JumpReLUSAE(cfg)
        self.coder.load_state_dict(state)
        x = torch.from_file(request["x"], size=request["tokens"] * dim).view(-1, dim).clone()
        self.x = x.to(request["device"])

    def reconstruct(self, request):
        self.coder.decode(self.coder.encode(self.x))

    def encode(self, request):
        self.coder.encode(self.x)

    def output(self, request):
        acts = self.coder.encode(self.x)
        if request["work"] == "encode":
            return (acts > 0).sum(-1)
        return self.coder.decode(acts)


# x [tokens, in] · wᵀ, or its transpose: the same arithmetic; the faster one depends on the sizes.
PRODUCTS = [F.linear, lambda x, w: torch.mm(w, x.t())]

# Each reads all bytes of a weight once. The float32 views, also of bfloat16 pairs, avoid conversions.
READS = [
    lambda w: torch.mv(w, torch.ones_like(w[0])),
    lambda w: w.view(torch.float32).sum(),
    lambda w: w.view(torch.float32).amax(),
    lambda w: torch.dot(w.view(torch.float32).flatten(), w.view(torch.float32).flatten()),
]


class Matrices:
    """The bound: only matrices of these shapes [out, in]. Each uses the way that was fastest for its
    shape at the first request."""

    def __init__(self, request, loaded):
        dtype = DTYPES[request["dtype"]]
        self.device = request["device"]
        self.weights = [self.random(shape).to(dtype) for shape in request["shapes"]]
        self.inputs = {}
        self.chosen = {}

    def random(self, shape):
        return torch.rand(shape, device=self.device).sub_(0.5)

    def multiply(self, request):
        """x [tokens, in] · wᵀ for each."""
        tokens = request["tokens"]
        for weight in self.weights:
            key = (tokens, weight.shape[1])
            if key not in self.inputs:
                self.inputs[key] = self.random(key).to(weight.dtype)
        of = {width: x for (count, width), x in self.inputs.items() if count == tokens}
        ways = [lambda w, way=way: way(of[w.shape[1]], w) for way in PRODUCTS]
        return self.timed(self.fastest(tokens, ways))

    def read(self, request):
        """Reads every byte `times` times."""
        return self.timed(self.fastest("read", READS), request["times"])

    def timed(self, fastest, times=1):
        """Milliseconds of all weights, each in its fastest way."""
        finish(self.device)
        start = time.perf_counter()
        for _ in range(times):
            for weight in self.weights:
                fastest[weight.shape](weight)
        finish(self.device)
        return 1000 * (time.perf_counter() - start)

    def fastest(self, work, ways):
        """The fastest of these ways for each shape; tried once, over all weights, as in a timed run."""
        if work not in self.chosen:
            least = {}
            # Only one of the rounds includes the first call's set-up.
            for _ in range(3):
                for i, way in enumerate(ways):
                    for weight in self.weights:
                        finish(self.device)
                        start = time.perf_counter()
                        way(weight)
                        finish(self.device)
                        seconds = time.perf_counter() - start
                        key = (weight.shape, i)
                        least[key] = min(seconds, least.get(key, seconds))
            self.chosen[work] = {
                shape: min(range(len(ways)), key=lambda i: least[shape, i])
                for shape in {weight.shape for weight in self.weights}
            }
        return {shape: ways[i] for shape, i in self.chosen[work].items()}


KINDS = {
    "transformers": Transformers,
    "bridge": Bridge,
    "hooked": Hooked,
    "saelens": SaeLens,
    "matrices": Matrices,
}
