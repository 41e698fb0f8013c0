#include "binding/read.h"

#include <algorithm>
#include <limits>

namespace gemlens::binding {
namespace {

template <typename T>
std::vector<T> readArray(Environment& environment, napi_value value) {
  std::vector<T> out;
  forEach(environment.env(), value,
          [&](napi_value element) { out.push_back(read<T>(environment, element)); });
  return out;
}

}  // namespace

template <>
int64_t read(Environment& environment, napi_value value) {
  return readInt(environment.env(), value);
}

template <>
int32_t read(Environment& environment, napi_value value) {
  using Limits = std::numeric_limits<int32_t>;
  const int64_t number = readInt(environment.env(), value);
  return static_cast<int32_t>(std::clamp<int64_t>(number, Limits::min(), Limits::max()));
}

template <>
double read(Environment& environment, napi_value value) {
  return readNumber(environment.env(), value);
}

template <>
bool read(Environment& environment, napi_value value) {
  return readBool(environment.env(), value);
}

template <>
std::string read(Environment& environment, napi_value value) {
  return readString(environment.env(), value);
}

template <>
Tensor read(Environment& environment, napi_value value) {
  return environment.handles().tensor(value);
}

template <>
FeaturesPtr read(Environment& environment, napi_value value) {
  return environment.handles().features(value);
}

template <>
ModelPtr read(Environment& environment, napi_value value) {
  return environment.handles().model(value);
}

template <>
CoderPtr read(Environment& environment, napi_value value) {
  return environment.handles().coder(value);
}

template <>
KvCachePtr read(Environment& environment, napi_value value) {
  return environment.handles().kvCache(value);
}

template <>
EditsPtr read(Environment& environment, napi_value value) {
  return environment.handles().get<EditsPtr>(value);
}

template <>
std::vector<int32_t> read(Environment& environment, napi_value value) {
  const Int32View view = readInt32Array(environment.env(), value);
  return {view.data, view.data + view.size};
}

template <>
std::vector<float> read(Environment& environment, napi_value value) {
  const BytesView view = readTypedArray(environment.env(), value);
  if (view.type != napi_float32_array)
    throw Error(code::kArgument, "expected a Float32Array, got another typed array");
  const auto* data = reinterpret_cast<const float*>(view.data);
  return {data, data + view.length};
}

template <>
std::vector<uint8_t> read(Environment& environment, napi_value value) {
  const BytesView view = readTypedArray(environment.env(), value);
  return {view.data, view.data + view.bytes};
}

template <>
std::vector<int64_t> read(Environment& environment, napi_value value) {
  return readInts(environment.env(), value);
}

template <>
std::vector<double> read(Environment& environment, napi_value value) {
  return readArray<double>(environment, value);
}

template <>
std::vector<std::vector<int32_t>> read(Environment& environment, napi_value value) {
  return readArray<std::vector<int32_t>>(environment, value);
}

template <>
std::vector<Tensor> read(Environment& environment, napi_value value) {
  return readArray<Tensor>(environment, value);
}

}  // namespace gemlens::binding
