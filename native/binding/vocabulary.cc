// The small tensor vocabulary: one entry per operation. Each function's C++ signature decides how
// its arguments are parsed. lib/tensor/vocabulary.ts has the same names with their types and texts.
#include <c10/core/GradMode.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "binding/parse.h"
#include "binding/tensors.h"
#include "ops/vocabulary.h"

namespace gemlens::binding {
namespace {

using namespace ops;  // NOLINT: the table below uses its names

// A tensor that the operation writes to.
struct Target {
  Tensor tensor;
};

template <typename T>
constexpr bool kOptional = false;
template <typename T>
constexpr bool kOptional<std::optional<T>> = true;

struct ArgumentParser {
  Arguments& args;
  std::vector<Tensor> frozen;

  Tensor tensor(napi_value value) {
    Tensor out = args.handles().tensor(value);
    if (args.handles().frozen(value)) frozen.push_back(out);
    return out;
  }
  template <typename T>
  T parse(size_t i) {
    napi_env env = args.env();
    napi_value value = args[i];
    if constexpr (std::is_same_v<T, Tensor>) {
      return tensor(value);
    } else if constexpr (std::is_same_v<T, Target>) {
      Tensor out = args.handles().tensor(value);
      if (args.handles().frozen(value)) {
        throw Error(
            code::kArgument,
            "in-place operations on a model's or coder's own tensors are refused; clone() it");
      }
      if (c10::GradMode::is_enabled() && out.requires_grad()) {
        throw Error(code::kArgument,
                    "in-place operations on what a metric computes from are refused; make a new "
                    "tensor");
      }
      if (args.handles().inUse(out)) {
        throw Error(code::kBusy, "a queued task uses this tensor; await that first, or clone() it");
      }
      return {out};
    } else if constexpr (std::is_same_v<T, Operand>) {
      napi_valuetype type = napi_undefined;
      napi_typeof(env, value, &type);
      if (type == napi_number) return parseNumber(env, value);
      return tensor(value);
    } else if constexpr (std::is_same_v<T, std::vector<Tensor>>) {
      std::vector<Tensor> out;
      forEach(env, value, [&](napi_value element) { out.push_back(tensor(element)); });
      return out;
    } else if constexpr (kOptional<T>) {
      if (args.absent(i)) return std::nullopt;
      return parse<typename T::value_type>(i);
    } else {
      return binding::parse<T>(args.environment, value);
    }
  }
};

napi_value write(ArgumentParser& parser, const Tensor& tensor) {
  const napi_value handle = parser.args.handles().create(tensor);
  // A view of a frozen tensor is frozen too.
  for (const Tensor& input : parser.frozen) {
    if (input.is_alias_of(tensor)) {
      parser.args.handles().freeze(handle);
      break;
    }
  }
  return handle;
}
napi_value write(ArgumentParser& parser, bool value) { return jsBool(parser.args.env(), value); }
napi_value write(ArgumentParser& parser, const std::pair<Tensor, Tensor>& pair) {
  napi_value array = nullptr;
  napi_create_array_with_length(parser.args.env(), 2, &array);
  napi_set_element(parser.args.env(), array, 0, write(parser, pair.first));
  napi_set_element(parser.args.env(), array, 1, write(parser, pair.second));
  return array;
}
napi_value write(ArgumentParser& parser, const at::Scalar& value) {
  napi_env env = parser.args.env();
  if (value.isBoolean()) return jsBool(env, value.toBool());
  if (value.isIntegral(/*includeBool=*/false)) {
    napi_value out = nullptr;
    napi_create_bigint_int64(env, value.toLong(), &out);
    return out;
  }
  return toJs(env, value.toDouble());
}

template <typename Result, typename... Args, size_t... I>
napi_value invoke(Result (*function)(Args...), ArgumentParser& parser, std::index_sequence<I...>) {
  // Braces fix the order of evaluation.
  std::tuple<std::decay_t<Args>...> values{parser.parse<std::decay_t<Args>>(I)...};
  if constexpr (std::is_void_v<Result>) {
    std::apply(function, std::move(values));
    return jsNull(parser.args.env());
  } else {
    return write(parser, std::apply(function, std::move(values)));
  }
}

template <typename Result, typename... Args>
napi_value invoke(Result (*function)(Args...), ArgumentParser& parser) {
  return invoke(function, parser, std::index_sequence_for<Args...>{});
}

template <size_t N>
struct Name {
  char text[N];
  constexpr Name(const char (&source)[N]) { std::copy_n(source, N, text); }  // NOLINT
};

template <Name name, auto function>
napi_value run(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  Arguments args{*[&] {
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    return static_cast<Environment*>(data);
  }()};
  napi_get_cb_info(env, info, &args.count, args.values, nullptr, nullptr);
  try {
    ArgumentParser parser{args, {}};
    return invoke(+function, parser);
  } catch (const Error& e) {
    throwToJs(env, std::make_exception_ptr(
                       Error(e.code().c_str(), concat(name.text, ": ", e.what()), e.fields())));
    return nullptr;
  } catch (...) {
    throwToJs(env, std::current_exception(), name.text);
    return nullptr;
  }
}

template <Name name, auto function>
void op(Environment& environment, napi_value ops) {
  defineFunction(environment, ops, name.text, &run<name, function>);
}

#define GEMLENS_BINARY(method)                             \
  [](Tensor t, Operand u) {                                \
    return binary(                                         \
        u, [&](const Tensor& x) { return t.method(x); },   \
        [&](const at::Scalar& x) { return t.method(x); }); \
  }
#define GEMLENS_IN_PLACE(method)                                  \
  [](Target t, Operand u) {                                       \
    binary(                                                       \
        u, [&](const Tensor& x) { return t.tensor.method(x); },   \
        [&](const at::Scalar& x) { return t.tensor.method(x); }); \
  }
#define GEMLENS_UNARY(method) [](Tensor t) { return t.method(); }

}  // namespace

void exportVocabulary(Environment& environment, napi_value exports) {
  napi_value ops = nullptr;
  napi_create_object(environment.env(), &ops);
  op<"reshape", [](Tensor t, Ints shape) { return t.reshape(shape); }>(environment, ops);
  op<"permute", [](Tensor t, Ints dims) { return t.permute(dims); }>(environment, ops);
  op<"transpose", [](Tensor t, int64_t a, int64_t b) { return t.transpose(a, b); }>(environment,
                                                                                    ops);
  op<"slice", [](Tensor t, int64_t dim, int64_t start, std::optional<int64_t> end, int64_t step) {
    return t.slice(dim, start, end, step);
  }>(environment, ops);
  op<"select", [](Tensor t, int64_t dim, int64_t index) { return t.select(dim, index); }>(
      environment, ops);
  op<"index", indexOp>(environment, ops);
  op<"unsqueeze", [](Tensor t, int64_t dim) { return t.unsqueeze(dim); }>(environment, ops);
  op<"squeeze", [](Tensor t, std::optional<int64_t> dim) {
    return dim ? t.squeeze(*dim) : t.squeeze();
  }>(environment, ops);
  op<"expand", [](Tensor t, Ints shape) { return t.expand(shape); }>(environment, ops);
  op<"contiguous", GEMLENS_UNARY(contiguous)>(environment, ops);
  op<"cat", [](std::vector<Tensor> tensors, int64_t dim) { return cat(tensors, dim); }>(environment,
                                                                                        ops);
  op<"stack", [](std::vector<Tensor> tensors, int64_t dim) { return stack(tensors, dim); }>(
      environment, ops);
  op<"add", GEMLENS_BINARY(add)>(environment, ops);
  op<"sub", GEMLENS_BINARY(sub)>(environment, ops);
  op<"mul", GEMLENS_BINARY(mul)>(environment, ops);
  op<"div", GEMLENS_BINARY(div)>(environment, ops);
  op<"add_", GEMLENS_IN_PLACE(add_)>(environment, ops);
  op<"sub_", GEMLENS_IN_PLACE(sub_)>(environment, ops);
  op<"mul_", GEMLENS_IN_PLACE(mul_)>(environment, ops);
  op<"div_", GEMLENS_IN_PLACE(div_)>(environment, ops);
  op<"neg", GEMLENS_UNARY(neg)>(environment, ops);
  op<"exp", GEMLENS_UNARY(exp)>(environment, ops);
  op<"log", GEMLENS_UNARY(log)>(environment, ops);
  op<"sqrt", GEMLENS_UNARY(sqrt)>(environment, ops);
  op<"tanh", GEMLENS_UNARY(tanh)>(environment, ops);
  op<"abs", GEMLENS_UNARY(abs)>(environment, ops);
  op<"relu", GEMLENS_UNARY(relu)>(environment, ops);
  op<"sigmoid", GEMLENS_UNARY(sigmoid)>(environment, ops);
  op<"matmul", [](Tensor t, Tensor u) { return t.matmul(u); }>(environment, ops);
  op<"pow", [](Tensor t, double exponent) { return t.pow(scalar(exponent)); }>(environment, ops);
  op<"clamp", clampOp>(environment, ops);
  op<"sum", sumOp>(environment, ops);
  op<"mean", meanOp>(environment, ops);
  op<"max", maxOp>(environment, ops);
  op<"min", minOp>(environment, ops);
  op<"argmax", [](Tensor t, std::optional<int64_t> dim, bool keepdim) {
    return t.argmax(dim, keepdim);
  }>(environment, ops);
  op<"norm", normOp>(environment, ops);
  op<"softmax", [](Tensor t, int64_t dim) { return t.softmax(dim); }>(environment, ops);
  op<"logSoftmax", [](Tensor t, int64_t dim) { return t.log_softmax(dim); }>(environment, ops);
  op<"topk", [](Tensor t, int64_t k, int64_t dim, bool largest) {
    auto [values, indices] = t.topk(k, dim, largest, /*sorted=*/true);
    return std::pair<Tensor, Tensor>(values, indices);
  }>(environment, ops);
  op<"gt", GEMLENS_BINARY(gt)>(environment, ops);
  op<"lt", GEMLENS_BINARY(lt)>(environment, ops);
  op<"ge", GEMLENS_BINARY(ge)>(environment, ops);
  op<"le", GEMLENS_BINARY(le)>(environment, ops);
  op<"eq", GEMLENS_BINARY(eq)>(environment, ops);
  op<"ne", GEMLENS_BINARY(ne)>(environment, ops);
  op<"where", whereOp>(environment, ops);
  op<"to", toOp>(environment, ops);
  op<"clone", [](Tensor t) { return t.clone(at::MemoryFormat::Contiguous); }>(environment, ops);
  op<"copy_", [](Target t, Tensor u) { t.tensor.copy_(u); }>(environment, ops);
  op<"fill_", [](Target t, double value) { t.tensor.fill_(scalar(value)); }>(environment, ops);
  op<"allClose", [](Tensor t, Tensor u, double rtol, double atol) {
    return t.allclose(u, rtol, atol);
  }>(environment, ops);
  op<"item", [](Tensor t) { return t.item(); }>(environment, ops);
  napi_set_named_property(environment.env(), exports, "ops", ops);
}

}  // namespace gemlens::binding
