#include "config/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace memoir::config {
namespace {

class Descriptor {
  public:
    explicit Descriptor(int value) : value_(value) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    int get() const { return value_; }

  private:
    int value_;
};

FileError system_error() {
    const int code = errno;
    const auto kind = code == ENOENT || code == ENOTDIR ? FileError::missing : FileError::unreadable;
    return {kind, std::generic_category().message(code)};
}

}  // namespace

FileError read_file(const std::string& path, std::size_t limit, std::string& content) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) return system_error();
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return system_error();
    content.clear();
    // "No configuration at all", as people write it.
    if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)) return {};
    if (!S_ISREG(status.st_mode)) return {FileError::unreadable, "it is not a regular file"};
    char buffer[16'384];
    while (true) {
        const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return system_error();
        if (count == 0) break;
        content.append(buffer, static_cast<std::size_t>(count));
        if (content.size() > limit) return {FileError::unreadable, "it is too large"};
    }
    FileError ok;
    ok.world_readable = (status.st_mode & S_IROTH) != 0;
    return ok;
}

}  // namespace memoir::config
