#include "binding/parse.h"

#include <algorithm>
#include <limits>

namespace gemlens::binding {
namespace {

template <typename T>
std::vector<T> parseArray(Environment& environment, napi_value value) {
  std::vector<T> out;
  forEach(environment.env(), value,
          [&](napi_value element) { out.push_back(parse<T>(environment, element)); });
  return out;
}

}  // namespace

template <>
int64_t parse(Environment& environment, napi_value value) {
  return parseInt(environment.env(), value);
}

template <>
int32_t parse(Environment& environment, napi_value value) {
  using Limits = std::numeric_limits<int32_t>;
  const int64_t number = parseInt(environment.env(), value);
  return static_cast<int32_t>(std::clamp<int64_t>(number, Limits::min(), Limits::max()));
}

template <>
double parse(Environment& environment, napi_value value) {
  return parseNumber(environment.env(), value);
}

template <>
bool parse(Environment& environment, napi_value value) {
  return parseBool(environment.env(), value);
}

template <>
std::string parse(Environment& environment, napi_value value) {
  return parseString(environment.env(), value);
}

template <>
Tensor parse(Environment& environment, napi_value value) {
  return environment.handles().tensor(value);
}

template <>
FeaturesPtr parse(Environment& environment, napi_value value) {
  return environment.handles().features(value);
}

template <>
ModelPtr parse(Environment& environment, napi_value value) {
  return environment.handles().model(value);
}

template <>
CoderPtr parse(Environment& environment, napi_value value) {
  return environment.handles().coder(value);
}

template <>
KvCachePtr parse(Environment& environment, napi_value value) {
  return environment.handles().kvCache(value);
}

template <>
InterventionsPtr parse(Environment& environment, napi_value value) {
  return environment.handles().get<InterventionsPtr>(value);
}

template <>
std::vector<int32_t> parse(Environment& environment, napi_value value) {
  const Int32View view = parseInt32Array(environment.env(), value);
  return {view.data, view.data + view.size};
}

template <>
std::vector<float> parse(Environment& environment, napi_value value) {
  const BytesView view = parseTypedArray(environment.env(), value);
  if (view.type != napi_float32_array)
    throw Error(code::kArgument, "expected a Float32Array, got another typed array");
  const auto* data = reinterpret_cast<const float*>(view.data);
  return {data, data + view.length};
}

template <>
std::vector<uint8_t> parse(Environment& environment, napi_value value) {
  const BytesView view = parseTypedArray(environment.env(), value);
  return {view.data, view.data + view.bytes};
}

template <>
std::vector<int64_t> parse(Environment& environment, napi_value value) {
  return parseInts(environment.env(), value);
}

template <>
std::vector<double> parse(Environment& environment, napi_value value) {
  return parseArray<double>(environment, value);
}

template <>
std::vector<std::vector<int32_t>> parse(Environment& environment, napi_value value) {
  return parseArray<std::vector<int32_t>>(environment, value);
}

template <>
std::vector<Tensor> parse(Environment& environment, napi_value value) {
  return parseArray<Tensor>(environment, value);
}

}  // namespace gemlens::binding
