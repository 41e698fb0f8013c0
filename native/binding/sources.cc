#include "binding/sources.h"

#include "base/dtype.h"

namespace gemlens::binding {

checkpoint::WeightSource parseSource(napi_env env, napi_value object) {
  checkpoint::WeightSource source;
  source.name = parseString(env, property(env, object, "name"));
  source.type = dtypeFromName(parseString(env, property(env, object, "dtype")));
  source.shape = parseInts(env, property(env, object, "shape"));
  if (napi_value file = optionalProperty(env, object, "file")) {
    source.file = parseString(env, file);
    source.byteOffset = parseInt(env, property(env, object, "byteOffset"));
  } else {
    const BytesView view = parseTypedArray(env, property(env, object, "bytes"));
    source.bytes = std::make_shared<std::vector<uint8_t>>(view.data, view.data + view.bytes);
  }
  return source;
}

}  // namespace gemlens::binding
