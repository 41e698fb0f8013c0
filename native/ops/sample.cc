#include "ops/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace gemlens::ops {
namespace {

uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// Returns a number in [0, 1) from a counter-based generator (splitmix64's finaliser), which keeps
// no state between draws.
double uniform(uint64_t seed, uint64_t row, uint64_t step) {
  return static_cast<double>(mix(mix(mix(seed) ^ row) ^ step) >> 11) * 0x1.0p-53;
}

void penalize(std::vector<float>& logits, const std::vector<int32_t>& history, double penalty) {
  std::vector<int32_t> seen = history;
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const int32_t token : seen) {
    float& value = logits[static_cast<size_t>(token)];
    value = static_cast<float>(value > 0 ? value / penalty : value * penalty);
  }
}

// A penalty on finite logits can overflow, but makes no NaN.
void checkPenalized(const std::vector<float>& logits, int64_t row, int64_t step) {
  const float top = *std::max_element(logits.begin(), logits.end());
  if (std::isfinite(top)) return;
  throw Error(
      code::kArgument,
      concat("generate: expected a repetitionPenalty that keeps a finite logit, got ",
             top > 0 ? "Infinity (not finite) for one" : "-Infinity (not finite) for every token",
             " in row ", row, ", step ", step),
      {{"row", static_cast<double>(row)}, {"step", static_cast<double>(step)}});
}

// Sorts the `count` highest logits to the front, in descending order; ties are ordered by id.
void sortHighest(std::vector<int32_t>& order, size_t count, const std::vector<float>& logits) {
  const auto higher = [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(count), order.end(),
                    higher);
}

[[noreturn]] void throwNotFinite(const float* logits, int64_t vocabulary, int64_t row,
                                 int64_t step) {
  const auto isBad = [](float value) { return !(value < std::numeric_limits<float>::infinity()); };
  const float* bad = std::find_if(logits, logits + vocabulary, isBad);
  const auto count = std::count_if(bad, logits + vocabulary, isBad);
  const std::string where = concat("row ", row, ", step ", step);
  Fields fields{{"row", static_cast<double>(row)}, {"step", static_cast<double>(step)}};
  if (count == 0) {
    throw NotFiniteLogits(row,
                          concat("generate: expected a finite logit to draw a token from, got "
                                 "-Infinity (not finite) for every token in ",
                                 where),
                          std::move(fields));
  }
  const auto token = bad - logits;
  fields.emplace_back("token", static_cast<double>(token));
  const std::string others = count == 1 ? "" : concat(" and ", count - 1, " more");
  throw NotFiniteLogits(row,
                        concat("generate: expected logits to draw a token from, got ",
                               std::isnan(*bad) ? "NaN" : "Infinity", " (not finite) for token ",
                               token, others, " in ", where),
                        std::move(fields));
}

int32_t draw(const std::vector<float>& logits, const Sampling& sampling, double u) {
  const size_t vocabulary = logits.size();
  const double top = *std::max_element(logits.begin(), logits.end());
  const auto weight = [&](int32_t token) {
    return std::exp((logits[static_cast<size_t>(token)] - top) / sampling.temperature);
  };
  const auto mass = [&](const std::vector<int32_t>& order, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += weight(order[i]);
    return sum;
  };
  std::vector<int32_t> order(vocabulary);
  std::iota(order.begin(), order.end(), 0);
  size_t kept = vocabulary;
  if (sampling.topK > 0 && static_cast<size_t>(sampling.topK) < vocabulary) {
    kept = static_cast<size_t>(sampling.topK);
    sortHighest(order, kept, logits);
  }
  double total = mass(order, kept);
  if (sampling.topP < 1) {
    // The nucleus is usually small, so sort a growing prefix instead of the whole vocabulary.
    const double wanted = sampling.topP * total;
    size_t sorted = kept < vocabulary ? kept : std::min<size_t>(256, kept);
    for (;;) {
      sortHighest(order, sorted, logits);
      if (sorted == kept || mass(order, sorted) >= wanted) break;
      sorted = std::min(kept, sorted * 4);
    }
    double sum = 0;
    size_t nucleus = 0;
    while (nucleus < sorted && (nucleus == 0 || sum < wanted)) sum += weight(order[nucleus++]);
    kept = nucleus;
    total = sum;
  }
  double remaining = u * total;
  int32_t last = order[0];
  for (size_t i = 0; i < kept; ++i) {
    const double own = weight(order[i]);
    remaining -= own;
    if (remaining < 0) return order[i];
    if (own > 0) last = order[i];
  }
  // Rounding left a remainder. Return the last token with a positive weight, never a masked one.
  return last;
}

}  // namespace

Sample sample(const Tensor& logits, const Sampling& sampling, int64_t step) {
  const Tensor host = logits.to(c10::kCPU, c10::kFloat).contiguous();
  const int64_t rows = host.size(0), vocabulary = host.size(1);
  Sample result;
  for (int64_t row = 0; row < rows; ++row) {
    const float* begin = host.const_data_ptr<float>() + row * vocabulary;
    const float top = *std::max_element(begin, begin + vocabulary);
    double total = 0;
    for (int64_t i = 0; i < vocabulary; ++i) total += std::exp(static_cast<double>(begin[i] - top));
    // A NaN, a +infinity or a row of -infinity makes this sum non-finite, so no separate pass is
    // needed.
    const bool ended = !sampling.ended.empty() && sampling.ended[static_cast<size_t>(row)] != 0;
    if (!std::isfinite(total)) {
      if (!ended) throwNotFinite(begin, vocabulary, row, step);
      result.tokens.push_back(0);
      result.logprobs.push_back(0);
      continue;
    }
    std::vector<float> values(begin, begin + vocabulary);
    if (sampling.repetitionPenalty != 1) {
      penalize(values, sampling.history[static_cast<size_t>(row)], sampling.repetitionPenalty);
      if (!ended) checkPenalized(values, row, step);
    }
    const int32_t token =
        sampling.temperature == 0
            ? static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin())
            : draw(values, sampling,
                   uniform(sampling.seed, static_cast<uint64_t>(row), static_cast<uint64_t>(step)));
    result.tokens.push_back(token);
    result.logprobs.push_back(static_cast<float>(begin[token] - top - std::log(total)));
  }
  return result;
}

}  // namespace gemlens::ops
