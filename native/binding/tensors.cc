#include "binding/tensors.h"

#include <algorithm>
#include <cstring>

#include "base/device.h"
#include "base/dtype.h"
#include "binding/tasks.h"

namespace gemlens::binding {
namespace {

std::vector<int64_t> parseShape(napi_env env, napi_value value) {
  std::vector<int64_t> shape = parseInts(env, value);
  int64_t count = 8;  // the widest element
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(count, std::max<int64_t>(extent, 1), &count)) {
      throw Error(
          code::kShape,
          concat("tensor: expected extents ≥ 0 that fit in memory, got ", formatShape(shape)),
          {{"got", shape}});
    }
  }
  return shape;
}

napi_value tensorEmpty(Arguments& args) {
  const auto shape = parseShape(args.env(), args[0]);
  const auto type = dtypeFromName(parseString(args.env(), args[1]));
  const auto device = deviceFromName(parseString(args.env(), args[2]));
  return args.handles().create(empty(shape, type, device));
}

bool holds(napi_typedarray_type array, c10::ScalarType type) {
  switch (type) {
    case c10::ScalarType::Float:
      return array == napi_float32_array;
    case c10::ScalarType::Double:
      return array == napi_float64_array;
    case c10::ScalarType::BFloat16:
    case c10::ScalarType::Half:
      return array == napi_uint16_array;
    case c10::ScalarType::Int:
      return array == napi_int32_array;
    case c10::ScalarType::Long:
      return array == napi_bigint64_array;
    default:
      return array == napi_uint8_array || array == napi_uint8_clamped_array;
  }
}

napi_value tensorFrom(Arguments& args) {
  const BytesView data = parseTypedArray(args.env(), args[0]);
  const auto shape = parseShape(args.env(), args[1]);
  const auto type = dtypeFromName(parseString(args.env(), args[2]));
  const auto device = deviceFromName(parseString(args.env(), args[3]));
  if (!holds(data.type, type)) {
    throw Error(code::kDtype, concat("tensor: expected a typed array of ", dtypeName(type),
                                     ", got another kind"));
  }
  Tensor tensor = empty(shape, type);
  if (static_cast<size_t>(tensor.numel()) != data.length) {
    throw Error(code::kShape,
                concat("tensor: expected ", tensor.numel(), " elements for ", formatShape(shape),
                       ", got ", data.length),
                {{"expected", shape}, {"got", static_cast<double>(data.length)}});
  }
  if (data.bytes > 0) std::memcpy(tensor.mutable_data_ptr(), data.data, data.bytes);
  return args.handles().create(device.is_cpu() ? tensor : tensor.to(device));
}

napi_value tensorShape(Arguments& args) {
  return toJs(args.env(), args.handles().tensor(args[0]).sizes());
}

napi_value tensorDtype(Arguments& args) {
  return toJs(args.env(), std::string(dtypeName(args.handles().tensor(args[0]).scalar_type())));
}

napi_value tensorDevice(Arguments& args) {
  return toJs(args.env(), deviceName(args.handles().tensor(args[0]).device()));
}

napi_value tensorIsContiguous(Arguments& args) {
  return jsBool(args.env(), args.handles().tensor(args[0]).is_contiguous());
}

napi_value tensorData(Arguments& args) {
  return args.handles().typedArray(args.handles().tensor(args[0]));
}

napi_value tensorRead(Arguments& args) {
  Environment& environment = args.environment;
  const Tensor tensor = args.handles().tensor(args[0]);
  return submit(environment, tensor.device(), parseContext(args, 1),
                [tensor, &environment](const CancelToken&) -> Finish {
                  const Tensor values = copyOut(tensor);
                  return [values, &environment](napi_env) {
                    return environment.handles().ownedArray(values);
                  };
                },
                {{tensor}, {}});
}

napi_value tensorReadSync(Arguments& args) {
  return args.handles().ownedArray(copyOut(args.handles().tensor(args[0])));
}

napi_value tensorUnshare(Arguments& args) {
  const Tensor tensor = args.handles().tensor(args[0]);
  if (tensor.is_alias_of(args.handles().tensor(args[1])))
    args.handles().replace(args[0], tensor.clone());
  return jsUndefined(args.env());
}

napi_value tensorFreeze(Arguments& args) {
  args.handles().freeze(args[0]);
  return jsUndefined(args.env());
}

napi_value dispose(Arguments& args) {
  const bool endLoan = !args.absent(1) && parseBool(args.env(), args[1]);
  return jsBool(args.env(), args.handles().dispose(args[0], endLoan));
}

napi_value isAlive(Arguments& args) { return jsBool(args.env(), args.handles().alive(args[0])); }

}  // namespace

Tensor copyOut(const Tensor& tensor) {
  const auto type = tensor.scalar_type();
  const bool narrow = type == c10::ScalarType::BFloat16 || type == c10::ScalarType::Half;
  const Tensor copy =
      tensor.to(c10::kCPU, narrow ? c10::kFloat : type, /*non_blocking=*/false, /*copy=*/true);
  return copy.contiguous();
}

void exportTensors(Environment& environment, napi_value exports) {
  define<tensorEmpty>(environment, exports, "tensorEmpty");
  define<tensorFrom>(environment, exports, "tensorFrom");
  define<tensorShape>(environment, exports, "tensorShape");
  define<tensorDtype>(environment, exports, "tensorDtype");
  define<tensorDevice>(environment, exports, "tensorDevice");
  define<tensorIsContiguous>(environment, exports, "tensorIsContiguous");
  define<tensorData>(environment, exports, "tensorData");
  define<tensorRead>(environment, exports, "tensorRead");
  define<tensorReadSync>(environment, exports, "tensorReadSync");
  define<tensorUnshare>(environment, exports, "tensorUnshare");
  define<tensorFreeze>(environment, exports, "tensorFreeze");
  define<dispose>(environment, exports, "dispose");
  define<isAlive>(environment, exports, "isAlive");
}

}  // namespace gemlens::binding
