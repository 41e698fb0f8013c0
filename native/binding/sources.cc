#include "binding/sources.h"

#include "base/dtype.h"

namespace gemlens::binding {

checkpoint::WeightSource readSource(napi_env env, napi_value object) {
  checkpoint::WeightSource source;
  source.name = readString(env, property(env, object, "name"));
  source.type = dtypeFromName(readString(env, property(env, object, "dtype")));
  source.shape = readInts(env, property(env, object, "shape"));
  if (napi_value file = optionalProperty(env, object, "file")) {
    source.file = readString(env, file);
    source.byteOffset = readInt(env, property(env, object, "byteOffset"));
  } else {
    const BytesView view = readTypedArray(env, property(env, object, "bytes"));
    source.bytes = std::make_shared<std::vector<uint8_t>>(view.data, view.data + view.bytes);
  }
  return source;
}

}  // namespace gemlens::binding
