#include "checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace gemlens::checkpoint {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& problem) {
  throw Error(code::kCheckpoint, concat(path, ": ", problem), {{"file", path}});
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, concat("cannot be opened: ", std::strerror(errno)));
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0) {
    close(fd);
    fail(path, "expected a file that is not empty");
  }
  size_ = static_cast<size_t>(info.st_size);
  void* p = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  const int error = errno;
  close(fd);
  if (p == MAP_FAILED) fail(path, concat("cannot be mapped: ", std::strerror(error)));
  data_ = static_cast<uint8_t*>(p);
}

MappedFile::~MappedFile() { munmap(data_, size_); }

void MappedFile::releasePages(size_t offset, size_t bytes) const {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = (offset + page - 1) / page * page;
  const size_t end = (offset + bytes) / page * page;
  if (begin < end) madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

std::shared_ptr<MappedFile> MappedFiles::open(const std::string& path) {
  auto& file = files_[path];
  if (!file) file = std::make_shared<MappedFile>(path);
  return file;
}

}  // namespace gemlens::checkpoint
