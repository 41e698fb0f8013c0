#include "base/exceptions.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <new>

namespace gemlens {
namespace {

// The first line of a libtorch message is the error; the rest is its stack trace.
std::string firstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// The text of a libtorch message between two markers, such as "2.00 GiB", or "unknown".
std::string textBetween(const std::string& text, const std::string& before,
                        const std::string& after) {
  const size_t begin = text.find(before);
  if (begin == std::string::npos) return "unknown";
  const size_t from = begin + before.size();
  const size_t end = text.find(after, from);
  return end == std::string::npos ? "unknown" : text.substr(from, end - from);
}

}  // namespace

Error asError(const std::exception_ptr& exception, const char* caller) {
  const std::string prefix = caller == nullptr ? "" : std::string(caller) + ": ";
  try {
    std::rethrow_exception(exception);
  } catch (const Error& e) {
    return e;
  } catch (const c10::OutOfMemoryError& e) {
    const std::string text = firstLine(e.what_without_backtrace());
    return {code::kOutOfMemory,
            prefix + text,
            {{"device", std::string("cuda")},
             {"requested", textBetween(text, "Tried to allocate ", ". ")},
             {"free", textBetween(text, " of which ", " is free")}}};
  } catch (const c10::Error& e) {
    const std::string text = firstLine(e.what_without_backtrace());
    // This comes from libtorch's own allocator, used with GEMLENS_ALLOCATOR=system.
    if (text.find("DefaultCPUAllocator: ") != std::string::npos) {
      const double bytes = std::atof(textBetween(text, "tried to allocate ", " bytes").c_str());
      return {code::kOutOfMemory,
              prefix + text,
              {{"device", std::string("cpu")}, {"requested", bytes}}};
    }
    return {caller == nullptr ? code::kInternal : code::kArgument, prefix + text};
  } catch (const std::bad_alloc&) {
    return {code::kOutOfMemory,
            prefix + "the system has no memory left",
            {{"device", std::string("cpu")}}};
  } catch (const std::exception& e) {
    return {code::kInternal, prefix + firstLine(e.what())};
  } catch (...) {
    return {code::kInternal, prefix + "an unknown native exception"};
  }
}

}  // namespace gemlens
