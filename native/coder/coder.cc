#include "coder/coder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/device.h"
#include "base/error.h"
#include "ops/sparse_rows.h"

namespace gemlens::coder {
namespace {

void checkCount(const char* subject, size_t expected, size_t got) {
  if (expected == got) return;
  throw Error(code::kShape, concat("coder: expected ", expected, " ", subject, ", got ", got));
}

[[noreturn]] void failRows(const char* caller, int64_t rows, int64_t width, const char* name,
                           const Tensor& got) {
  throw Error(code::kShape,
              concat(caller, ": expected ", rows, " rows of ", width, name, ", got ",
                     formatShape(got.sizes())),
              {{"got", got.sizes().vec()}});
}

}  // namespace

Coder::Coder(std::vector<Site> reads, std::vector<Site> writes, std::vector<Encoder> encoders,
             std::vector<Decoder> decoders)
    : reads_(std::move(reads)),
      writes_(std::move(writes)),
      encoders_(std::move(encoders)),
      decoders_(std::move(decoders)) {
  if (encoders_.empty() || decoders_.empty())
    throw Error(code::kCheckpoint, "coder: expected at least one site that is read and written");
  checkCount("read sites", encoders_.size(), reads_.size());
  checkCount("write sites", decoders_.size(), writes_.size());
  for (size_t e = 0; e < encoders_.size(); ++e) {
    dSae_ += encoders_[e].features();
    checkShape("W_enc", encoders_[e].parameter("W_enc"),
               {reads_[e].width, encoders_[e].features()});
  }
  for (size_t w = 0; w < decoders_.size(); ++w) {
    const Decoder& decoder = decoders_[w];
    checkShape("b_dec", decoder.parameter("b_dec", 0), {writes_[w].width});
    bool written = false;
    for (size_t e = 0; e < encoders_.size(); ++e) {
      const DecoderRows& rows = decoder.rows(e);
      if (!rows.defined()) continue;
      written = true;
      checkShape("W_dec", rows.dense(), {encoders_[e].features(), writes_[w].width});
    }
    if (!written)
      throw Error(code::kCheckpoint, "coder: expected an encoder for each write site, got none");
    if (decoder.hasSkip()) {
      if (decoder.skipRead() >= reads_.size())
        throw Error(code::kCheckpoint, "coder: expected a read site for the skip connection");
      checkShape("affine_skip_connection", decoder.parameter("skip", 0),
                 {reads_[decoder.skipRead()].width, writes_[w].width});
    }
  }
}

size_t Coder::encoderOf(int32_t feature) const {
  size_t e = encoders_.size() - 1;
  while (e > 0 && feature < encoders_[e].first()) --e;
  return e;
}

int64_t Coder::bytes() const {
  int64_t total = 0;
  for (const Encoder& encoder : encoders_) total += encoder.bytes();
  for (const Decoder& decoder : decoders_) total += decoder.bytes();
  return total;
}

Tensor Coder::parameter(const std::string& name, size_t read, size_t write) const {
  if (read >= reads_.size() || write >= writes_.size()) {
    throw Error(code::kArgument,
                concat("coder: expected a read site below ", reads_.size(),
                       " and a write site below ", writes_.size(), ", got ", read, ", ", write));
  }
  Tensor found = encoders_[read].parameter(name);
  if (!found.defined()) found = decoders_[write].parameter(name, read);
  if (found.defined()) return found;
  throw Error(
      code::kNotFound,
      "coder: expected W_enc, W_dec, b_enc, b_dec, threshold or, if the coder has one, skip, got " +
          name);
}

Tensor Coder::decoderRow(int32_t feature, size_t write) const {
  const size_t e = encoderOf(feature);
  const int64_t index = feature - encoders_[e].first();
  const bool exists = feature >= 0 && index < encoders_[e].features() && write < decoders_.size();
  if (!exists || !decoders_[write].rows(e).defined()) {
    throw Error(code::kNotFound, concat("coder: expected a feature and a site that it writes, got ",
                                        feature, ", ", write));
  }
  const DecoderRows& rows = decoders_[write].rows(e);
  if (!rows.table->isInFile()) return rows.dense().select(0, index);
  return rows.rows({static_cast<int32_t>(index)}).select(0, 0);
}

void Coder::checkDevice(const char* caller, const char* subject, c10::Device got) const {
  if (got == device()) return;
  throw Error(code::kDevice, concat(caller, ": expected ", subject, " on ", deviceName(device()),
                                    ", got ", deviceName(got)));
}

void Coder::checkFeatures(const char* caller, const Features& features) const {
  if (features.dSae != dSae()) {
    throw Error(code::kShape, concat(caller, ": expected features of a coder with ", dSae(),
                                     ", got ", features.dSae));
  }
  checkDevice(caller, "features", features.rows.indptr.device());
}

Features Coder::encode(const std::vector<Tensor>& xs, const Tensor& realRows) const {
  checkCount("inputs", reads_.size(), xs.size());
  Parts parts;
  for (size_t e = 0; e < encoders_.size(); ++e)
    parts.push_back(encoders_[e].encode(xs[e], realRows, {}));
  return {encoders_[0].leadingShape(xs[0]), dSae(), merge(parts)};
}

Features Coder::encodeOnly(const std::vector<Tensor>& xs, const std::vector<int32_t>& ids,
                           const Tensor& realRows) const {
  checkCount("inputs", reads_.size(), xs.size());
  Parts parts;
  for (size_t e = 0; e < encoders_.size(); ++e) {
    const auto first = static_cast<int32_t>(encoders_[e].first());
    const auto end = first + static_cast<int32_t>(encoders_[e].features());
    std::vector<int32_t> own;
    for (const int32_t id : ids) {
      if (id >= first && id < end) own.push_back(id - first);
    }
    parts.push_back(encoders_[e].encodeOnly(xs[e], own, realRows));
  }
  return {encoders_[0].leadingShape(xs[0]), dSae(), merge(parts)};
}

const Tensor& Coder::skipInput(size_t write, const std::vector<Tensor>& xs) const {
  static const Tensor none;
  const Decoder& decoder = decoders_[write];
  if (!decoder.hasSkip() || decoder.skipRead() >= xs.size()) return none;
  const Tensor& x = xs[decoder.skipRead()];
  if (x.defined()) encoders_[decoder.skipRead()].leadingShape(x);
  return x;
}

std::vector<Tensor> Coder::decode(const Features& features, const std::vector<Tensor>& xs) const {
  checkFeatures("decode", features);
  const Parts parts = split(features.rows);
  std::vector<Tensor> out;
  for (size_t w = 0; w < decoders_.size(); ++w) {
    std::vector<int64_t> shape = features.shape;
    shape.push_back(decoders_[w].width());
    out.push_back(decoders_[w].decode(parts, skipInput(w, xs)).view(shape));
  }
  return out;
}

std::vector<Tensor> Coder::forward(const std::vector<Tensor>& xs) const {
  std::vector<Tensor> out = decode(encode(xs), xs);
  for (Tensor& tensor : out) tensor = tensor.to(xs[0].scalar_type());
  if (out.size() == 1 && xs.size() == 1 && out[0].numel() == xs[0].numel())
    out[0] = out[0].view(xs[0].sizes());
  return out;
}

std::vector<Tensor> Coder::applyEdit(const std::vector<Tensor>& bases, const Features& before,
                                     const Features& after) const {
  checkCount("outputs", writes_.size(), bases.size());
  checkFeatures("edit", before);
  const Parts change = split(difference(before, after));
  const int64_t rows = before.rowCount();
  std::vector<Tensor> out;
  for (size_t w = 0; w < decoders_.size(); ++w) {
    const Tensor& base = bases[w];
    const int64_t width = decoders_[w].width();
    if (base.numel() != rows * width) failRows("edit", rows, width, "", base);
    Tensor sum = base.reshape({rows, width}).to(c10::kFloat);
    for (size_t e = 0; e < encoders_.size(); ++e) {
      const DecoderRows& own = decoders_[w].rows(e);
      if (!own.defined() || !own.edits) continue;
      const auto [entries, table] = own.entries(change[e]);
      sum = sum.add(ops::sparseDecode(entries, table));
    }
    out.push_back(sum.to(base.scalar_type()).view(base.sizes()));
  }
  return out;
}

Features Coder::dots(const Features& features, const std::vector<Tensor>& gs,
                     WriteSites sites) const {
  checkFeatures("dots", features);
  checkCount("gradients", writes_.size(), gs.size());
  const int64_t rows = features.rowCount();
  for (size_t w = 0; w < gs.size(); ++w) {
    const int64_t width = decoders_[w].width();
    if (gs[w].numel() != rows * width) failRows("dots", rows, width, " for the gradient", gs[w]);
    checkDevice("dots", "a gradient", gs[w].device());
  }
  Parts parts = split(features.rows);
  for (size_t e = 0; e < parts.size(); ++e) {
    Tensor sum;
    for (size_t w = 0; w < decoders_.size(); ++w) {
      const DecoderRows& own = decoders_[w].rows(e);
      if (!own.defined() || (sites == WriteSites::Edited && !own.edits)) continue;
      const Tensor g = gs[w].reshape({rows, decoders_[w].width()});
      const auto [entries, table] = own.entries(parts[e]);
      const Tensor here = ops::sparseDots(entries, table, g);
      sum = sum.defined() ? sum.add(here) : here;
    }
    parts[e].values = sum.defined() ? sum : parts[e].values.mul(0);
  }
  return {features.shape, features.dSae, merge(parts)};
}

// With one encoder, its part is all entries. With several, a part is the entries whose ids lie in
// the encoder's range.
Parts Coder::split(const ops::SparseRows& flat) const {
  if (encoders_.size() == 1) return {flat};
  Parts parts;
  const Tensor ids = flat.indices.to(c10::kLong), none = zeros({1}, c10::kLong, ids.device());
  for (const Encoder& encoder : encoders_) {
    const Tensor own =
        ids.ge(encoder.first()).logical_and(ids.lt(encoder.first() + encoder.features()));
    const Tensor before = cat({none, own.cumsum(0)}, 0);
    const Tensor indptr = before.index_select(0, flat.indptr).to(c10::kInt);
    parts.push_back({indptr, ids.masked_select(own).sub(encoder.first()).to(c10::kInt),
                     flat.values.masked_select(own)});
  }
  return parts;
}

// Each row has the first encoder's entries, then the second's, and so on, so ids ascend.
ops::SparseRows Coder::merge(const Parts& parts) const {
  if (parts.size() == 1) return parts[0];
  const int64_t rows = parts[0].indptr.size(0) - 1;
  Tensor indptr = zeros({rows + 1}, c10::kLong, device());
  int64_t total = 0;
  for (const ops::SparseRows& part : parts) {
    if (part.indptr.size(0) != rows + 1) {
      throw Error(code::kShape, concat("encode: expected ", rows, " rows for each input, got ",
                                       part.indptr.size(0) - 1));
    }
    indptr.add_(part.indptr);
    total += part.indices.size(0);
  }
  if (total > std::numeric_limits<int32_t>::max()) {
    throw Error(code::kUnsupported,
                "encode: expected fewer than 2³¹ active features; split the batch");
  }
  const Tensor indices = empty({total}, c10::kInt, device());
  const Tensor values = empty({total}, c10::kFloat, device());
  Tensor next = indptr.narrow(0, 0, rows).clone();
  for (size_t e = 0; e < parts.size(); ++e) {
    const ops::SparseRows& part = parts[e];
    const Tensor starts = part.indptr.narrow(0, 0, rows).to(c10::kLong);
    const Tensor counts = part.indptr.diff().to(c10::kLong);
    // An entry is as far from its row's next free slot as it is from the row's start in the part.
    const Tensor at =
        arange(0, part.indices.size(0), device()).add(next.sub(starts).repeat_interleave(counts));
    indices.index_copy_(0, at, part.indices.add(encoders_[e].first()));
    values.index_copy_(0, at, part.values);
    next.add_(counts);
  }
  return {indptr.to(c10::kInt), indices, values};
}

}  // namespace gemlens::coder
