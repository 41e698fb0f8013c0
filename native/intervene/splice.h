// Replaces an activation by a coder's reconstruction. With the error term: base + decode(f′) −
// decode(f), which is base itself if nothing changes. Without it: decode(f′).
#pragma once

#include <memory>

#include "coder/encoding.h"
#include "intervene/feature_step.h"

namespace gemlens::intervene {

struct SpliceOptions {
  std::shared_ptr<const coder::Coder> coder;
  bool errorTerm = true;
  // Runs at the coder's first edit instead of before all interventions, or last if it has no edits.
  bool inOrder = false;
  std::vector<int32_t> skipRows;  // rows that stay unchanged
};

// A run with gradients uses TrackedSplice, any other run PlainSplice.
class Splice {
 public:
  // `realRows` [rows] bool or undefined; `step`: the changes, null for none.
  Splice(SpliceOptions options, std::shared_ptr<FeatureStep> step, const Tensor& realRows,
         int64_t rowCount);
  virtual ~Splice() = default;

  const coder::Coder& coder() const { return *options_.coder; }
  // Stores the changed features in `slot`, for the request's `features`.
  void keepFeatures(coder::Features& slot) { slot_ = &slot; }

  // A splice has an action at every site of its coder.
  bool reads(size_t) const { return true; }
  bool writes(size_t) const { return true; }
  void observe(size_t read, const Tensor& x);
  Tensor write(size_t write, const Tensor& base);

 protected:
  virtual void encode(size_t read, const Tensor& x) = 0;
  // The value at a write site before the changes.
  virtual Tensor rebuild(size_t write, const Tensor& base) = 0;
  // True if the changed features are needed.
  virtual bool wantsFeatures() const { return slot_ != nullptr; }
  virtual void keepChanged(const coder::Features& features);
  // Takes the value at a write site after the changes, for all rows, and returns the value to use.
  virtual Tensor afterWrite(size_t, Tensor value) { return value; }
  // Called after all sites have been written.
  virtual void clear();

  void addToEncoding(size_t read, const Tensor& x);
  const Tensor& skipInput(size_t write) const;

  SpliceOptions options_;
  coder::Encoding encoding_;
  std::vector<Tensor> xs_;  // inputs of the read sites that a skip connection needs

 private:
  std::shared_ptr<FeatureStep> step_;
  Tensor real_;    // [rows] bool or undefined
  Tensor active_;  // [rows] bool: rows that the coder changes; undefined: all
  coder::Features* slot_ = nullptr;
  std::vector<bool> fired_;
  size_t written_ = 0;
};

}  // namespace gemlens::intervene
