// A file mapped privately and writable (copy-on-write). Tensors are used in place. A stray write
// through a typed array changes memory, not the file, and does not crash the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace gemlens::checkpoint {

class MappedFile {
 public:
  // Throws CHECKPOINT, naming the file, if it is empty or cannot be opened or mapped.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  // Releases these pages, which are not needed again after a converting copy.
  void releasePages(size_t offset, size_t bytes) const;

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Maps each file of a checkpoint once.
class MappedFiles {
 public:
  std::shared_ptr<MappedFile> open(const std::string& path);

 private:
  std::map<std::string, std::shared_ptr<MappedFile>> files_;
};

}  // namespace gemlens::checkpoint
