// Checks tensors that are used in one computation.
#pragma once

#include "base/aten.h"
#include "base/device.h"
#include "base/error.h"

namespace gemlens::attribute {

// Throws SHAPE unless `got` has this shape and a floating-point type, DEVICE unless it is on
// `device`. `subject` is the tensor's name in the message.
inline void checkOperand(const char* caller, const char* subject, const Tensor& got,
                         at::IntArrayRef expected, c10::Device device) {
  if (got.sizes() != expected || !got.is_floating_point()) {
    throw Error(code::kShape, concat(caller, ": expected ", formatShape(expected), " for ", subject,
                                     ", got ", formatShape(got.sizes())));
  }
  if (got.device() != device) {
    throw Error(code::kDevice, concat(caller, ": expected ", subject, " on ", deviceName(device),
                                      ", got it on ", deviceName(got.device())));
  }
}

}  // namespace gemlens::attribute
