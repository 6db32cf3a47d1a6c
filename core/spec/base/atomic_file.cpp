// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/atomic_file.h"

#include "core/spec/base/error.h"
#include "core/spec/base/units.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace longlora {

namespace {

/// Closes on the way out of an error; the good way calls close() and looks at its answer.
class Descriptor {
public:
    explicit Descriptor(int value)
        : m_value(value)
    {}
    ~Descriptor()
    {
        if (m_value >= 0) {
            ::close(m_value);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return m_value; }
    int close() { return ::close(std::exchange(m_value, -1)); }

private:
    int m_value;
};

std::string remedy(int code, const std::filesystem::path& path)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return "Free some space there, or choose another folder.";
    case EACCES:
    case EPERM:
    case EROFS:
        return "Check the rights of " + path.parent_path().string() + ".";
    case ENOENT:
        return "Check the path.";
    default:
        return {};
    }
}

[[noreturn]] void throwSystemError(const char* action, const std::filesystem::path& path, int code)
{
    throw DataError("Cannot " + std::string(action) + " " + path.string() + ": " +
                        std::system_category().message(code),
                    remedy(code, path));
}

int openRetrying(const std::filesystem::path& path, int flags, mode_t mode = 0)
{
    int descriptor = -1;
    do {
        descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

/// 0 or the errno of the write that failed.
int writeAll(int descriptor, std::string_view content)
{
    while (!content.empty()) {
        const ssize_t written = ::write(descriptor, content.data(), content.size());
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        content.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    return 0;
}

/// Unique among the threads and processes that may write beside each other.
std::filesystem::path temporarySibling(const std::filesystem::path& path)
{
    static std::atomic<unsigned> counter{0};
    std::filesystem::path sibling = path;
    sibling += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
    return sibling;
}

/// 0 or an errno. The content is on the disk when this returns 0.
int writeDurably(const std::filesystem::path& file, std::string_view content)
{
    Descriptor descriptor(openRetrying(file, O_WRONLY | O_CREAT | O_EXCL, 0666));
    if (descriptor.get() < 0) {
        return errno;
    }
    if (const int code = writeAll(descriptor.get(), content); code != 0) {
        return code;
    }
    if (::fdatasync(descriptor.get()) != 0) {
        return errno;
    }
    return descriptor.close() == 0 ? 0 : errno;
}

} // namespace

void writeFileAtomically(const std::filesystem::path& path, std::string_view content)
{
    const std::filesystem::path temporary = temporarySibling(path);
    int code = writeDurably(temporary, content);
    if (code == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) {
        code = errno;
    }
    if (code != 0) {
        ::unlink(temporary.c_str());
        throwSystemError("write", path, code);
    }
    syncDirectory(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
}

bool entryExists(const std::filesystem::path& path)
{
    std::error_code ignored;
    return std::filesystem::symlink_status(path, ignored).type() !=
           std::filesystem::file_type::not_found;
}

std::string readWholeFile(const std::filesystem::path& path, std::uintmax_t limitBytes)
{
    // Non-blocking, so that a FIFO somebody left there is refused instead of waited for.
    const Descriptor descriptor(openRetrying(path, O_RDONLY | O_NONBLOCK));
    if (descriptor.get() < 0) {
        throwSystemError("read", path, errno);
    }
    struct stat status = {};
    if (::fstat(descriptor.get(), &status) != 0) {
        throwSystemError("read", path, errno);
    }
    if (!S_ISREG(status.st_mode)) {
        throw DataError("Cannot read " + path.string() + ": it is not a regular file");
    }
    const auto requireWithin = [&](std::uintmax_t bytes) {
        if (bytes > limitBytes) {
            throw DataError(path.string() + " is larger than the limit of " +
                            formatBytes(static_cast<double>(limitBytes)));
        }
    };
    requireWithin(static_cast<std::uintmax_t>(status.st_size));
    std::string content;
    content.reserve(static_cast<std::size_t>(status.st_size));
    std::string block(std::size_t{1} << 16, '\0');
    while (true) {
        const ssize_t count = ::read(descriptor.get(), block.data(), block.size());
        if (count < 0 && errno != EINTR) {
            throwSystemError("read", path, errno);
        }
        if (count == 0) {
            return content;
        }
        content.append(block, 0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        requireWithin(content.size()); // it may grow meanwhile
    }
}

void syncDirectory(const std::filesystem::path& folder)
{
    Descriptor descriptor(openRetrying(folder, O_RDONLY | O_DIRECTORY));
    if (descriptor.get() < 0) {
        throwSystemError("open", folder, errno);
    }
    // Some file systems cannot flush a folder and say EINVAL: their renames are durable or
    // nothing can be done about it.
    if (::fsync(descriptor.get()) != 0 && errno != EINVAL) {
        throwSystemError("flush", folder, errno);
    }
}

} // namespace longlora
