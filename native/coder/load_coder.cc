#include "coder/load_coder.h"

#include <algorithm>
#include <utility>

#include "base/dtype.h"
#include "base/error.h"
#include "checkpoint/finite.h"

namespace gemlens::coder {
namespace {

using checkpoint::WeightSource;

int64_t bytesOf(const WeightSource& source) {
  int64_t bytes = static_cast<int64_t>(c10::elementSize(source.type));
  for (const int64_t extent : source.shape) bytes *= extent;
  return bytes;
}

// Throws CHECKPOINT if a parameter is not finite: such a feature would be active never or always.
// `featureAxis` is the dimension of the features, -1 if there is none.
void checkFinite(const Tensor& tensor, const WeightSource& source, const char* name,
                 int featureAxis) {
  const int64_t at = checkpoint::firstNotFinite(tensor);
  if (at < 0) return;
  std::string element;
  int64_t left = at, feature = 0;
  for (int64_t axis = tensor.dim() - 1; axis >= 0; --axis) {
    const int64_t index = left % tensor.size(axis);
    left /= tensor.size(axis);
    if (axis == featureAxis) feature = index;
    element = element.empty() ? concat(index) : concat(index, ", ", element);
  }
  throw Error(code::kCheckpoint,
              concat(source.file.empty() ? "coder" : source.file, ": expected finite numbers for ",
                     name, ", got ", tensor.reshape(-1)[at].item<float>(), " at [", element, "]",
                     featureAxis < 0 ? "" : concat(" (feature ", feature, ")")),
              {{"file", source.file}, {"tensor", std::string(name)}});
}

class Loader {
 public:
  Loader(const CoderSources& sources, const CancelToken& token) : sources_(sources), token_(token) {
    if (sources_.encoders.empty() || sources_.decoders.empty())
      throw Error(code::kCheckpoint, "coder: expected at least one encoder and one decoder");
    for (const EncoderSources& encoder : sources_.encoders) {
      for (const auto* source : {&encoder.wEnc, &encoder.wDec, &encoder.bEnc}) check(*source);
      if (encoder.threshold) check(*encoder.threshold);
    }
    for (const DecoderSources& decoder : sources_.decoders) {
      check(decoder.bDec);
      if (decoder.skip) check(*decoder.skip);
    }
    // "auto" loads every tensor in W_enc's type, because one product cannot mix two types. But
    // float64, which numpy writes by default, becomes float32.
    const auto own = sources_.encoders[0].wEnc.type;
    type_ = dtypeOnDevice(own, sources_.dtype, sources_.device.is_cpu());
    if (type_ == c10::ScalarType::Double && sources_.dtype == "auto") type_ = c10::kFloat;
    int64_t left = sources_.maxDecoderBytes;
    for (const EncoderSources& encoder : sources_.encoders) left -= bytesOf(encoder.wDec);
    staysInFile_ = left < 0 && sources_.decoderScale == 1;
  }

  std::shared_ptr<const Coder> load() {
    const size_t writes = sources_.decoders.size();
    std::vector<Encoder> encoders;
    std::vector<std::vector<DecoderRows>> rows(writes);
    std::vector<Tensor> bDec;
    for (const DecoderSources& decoder : sources_.decoders)
      bDec.push_back(tensor(decoder.bDec, "b_dec", -1));
    int64_t first = 0;
    for (size_t e = 0; e < sources_.encoders.size(); ++e) {
      const EncoderSources& from = sources_.encoders[e];
      const int featureAxis = from.wEncByFeature ? 0 : 1;
      const Tensor loaded = tensor(from.wEnc, "W_enc", featureAxis, sources_.encoderScale);
      // A view: the products take it as it lies.
      const Tensor wEnc = from.wEncByFeature ? loaded.t() : loaded;
      addRows(from, rows);
      const Tensor bEnc = tensor(from.bEnc, "b_enc", 0);
      const Tensor threshold = from.threshold ? tensor(*from.threshold, "threshold", 0) : Tensor();
      encoders.emplace_back(wEnc, bEnc, threshold, shift(e, bDec), first);
      first += encoders.back().features();
    }
    std::vector<Decoder> decoders;
    for (size_t w = 0; w < writes; ++w) {
      const DecoderSources& from = sources_.decoders[w];
      Tensor skip = from.skip ? tensor(*from.skip, "skip", -1) : Tensor();
      if (skip.defined() && sources_.transposeSkip) skip = skip.t().contiguous();
      decoders.emplace_back(std::move(rows[w]), bDec[w], std::move(skip), from.skipRead);
    }
    return std::make_shared<const Coder>(sources_.reads, sources_.writes, std::move(encoders),
                                         std::move(decoders));
  }

 private:
  void check(const WeightSource& source) { checkpoint::checkWithinFile(source, files_); }

  Tensor tensor(const WeightSource& source, const char* name, int featureAxis, double scale = 1) {
    token_.check();
    const Tensor loaded = checkpoint::loadTensor(source, files_, type_, sources_.device);
    checkFinite(loaded, source, name, featureAxis);
    return scale == 1 ? loaded : loaded.mul(scale);
  }

  // Adds an encoder's decoder rows. One table serves all sites that it writes.
  void addRows(const EncoderSources& from, std::vector<std::vector<DecoderRows>>& rows) {
    const size_t dimensions = from.wDec.shape.size();
    if (dimensions != 2 && dimensions != 3)
      throw Error(code::kCheckpoint, "coder: expected two or three dimensions for W_dec");
    const int64_t stride = dimensions == 2 ? 1 : from.wDec.shape[1];
    if (static_cast<int64_t>(from.writesAt.size()) != stride) {
      throw Error(code::kCheckpoint, concat("coder: expected ", from.writesAt.size(),
                                            " write sites for W_dec, got ", stride));
    }
    const auto table = decoderTable(from.wDec, stride);
    for (auto& site : rows) site.emplace_back();
    for (int64_t i = 0; i < stride; ++i) {
      const int32_t write = from.writesAt[static_cast<size_t>(i)];
      if (write < 0) {
        checkZero(*table, i, from.wDec);
        continue;
      }
      if (static_cast<size_t>(write) >= rows.size()) {
        throw Error(code::kCheckpoint,
                    concat("coder: expected a write site below ", rows.size(), ", got ", write));
      }
      const auto& edits = from.editsAt;
      const bool isEdited =
          !edits || std::find(edits->begin(), edits->end(), write) != edits->end();
      rows[static_cast<size_t>(write)].back() = {table, i, isEdited};
    }
  }

  std::shared_ptr<const DecoderTable> decoderTable(const WeightSource& source, int64_t stride) {
    if (!staysInFile_) {
      const Tensor loaded = tensor(source, "W_dec", 0, sources_.decoderScale);
      return std::make_shared<DecoderTable>(asTable(loaded), stride);
    }
    token_.check();
    const Tensor mapped = checkpoint::loadTensor(source, files_, source.type, c10::kCPU);
    return std::make_shared<DecoderTable>(asTable(mapped), stride, type_, sources_.device,
                                          source.file);
  }

  static Tensor asTable(const Tensor& loaded) {
    return loaded.dim() == 2 ? loaded : loaded.reshape({-1, loaded.size(2)});
  }

  // Throws CHECKPOINT if rows that no site uses are not zero. Looks at all features of a table in
  // memory, and at 64 of a table that stays in its file.
  void checkZero(const DecoderTable& table, int64_t site, const WeightSource& source) {
    constexpr int64_t kLooked = 64;
    const int64_t step =
        table.isInFile() ? std::max<int64_t>(1, table.features() / kLooked) : int64_t{1};
    const Tensor rows = table.dense(site).slice(0, 0, table.features(), step);
    if (!rows.ne(0).any().item<bool>()) return;
    throw Error(code::kCheckpoint,
                concat(source.file, ": expected zeros for W_dec at site ", site,
                       ", which its features do not write, got other numbers"),
                {{"file", source.file}, {"tensor", std::string("W_dec")}});
  }

  Tensor shift(size_t encoder, const std::vector<Tensor>& bDec) const {
    if (!sources_.subtractsBDec) return {};
    const int64_t width = sources_.reads.size() > encoder ? sources_.reads[encoder].width : 0;
    if (encoder >= bDec.size() || bDec[encoder].numel() != width) {
      throw Error(code::kCheckpoint, concat("coder: expected an output of ", width,
                                            " to subtract b_dec from the input, got ",
                                            encoder < bDec.size() ? bDec[encoder].numel() : 0));
    }
    return bDec[encoder];
  }

  const CoderSources& sources_;
  const CancelToken& token_;
  checkpoint::MappedFiles files_;
  c10::ScalarType type_ = c10::kFloat;
  bool staysInFile_ = false;
};

}  // namespace

std::shared_ptr<const Coder> loadCoder(const CoderSources& sources, const CancelToken& token) {
  return Loader(sources, token).load();
}

}  // namespace gemlens::coder
