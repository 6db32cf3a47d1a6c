// SPDX-License-Identifier: GPL-3.0-or-later
// The lock of a run directory: flock on run.lock, which holds "<pid> <host>" for people to read.
#include "core/spec/base/error.h"
#include "core/spec/run/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

namespace longlora {

namespace {

std::filesystem::path lockFile(const RunDirectory& run)
{
    return run.path() / "run.lock";
}

/// 0, or the errno of a lock that was not had. Those who only look hold it for an instant, so a
/// busy lock is tried again for half a second.
int lockExclusively(int descriptor)
{
    constexpr int kAttempts = 50;
    for (int attempt = 1;; ++attempt) {
        if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
            return 0;
        }
        const int code = errno;
        if ((code != EWOULDBLOCK && code != EINTR) || attempt == kAttempts) {
            return code;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

/// "process 123 on host", as the owner wrote it.
std::string ownerOf(int descriptor)
{
    std::array<char, 300> text{};
    const ssize_t count = ::pread(descriptor, text.data(), text.size() - 1, 0);
    const std::string owner(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    const std::size_t space = owner.find(' ');
    if (space == std::string::npos) {
        return "another process";
    }
    const std::size_t end = owner.find('\n');
    return fmt::format("process {} on {}", owner.substr(0, space),
                       owner.substr(space + 1, end == std::string::npos ? end : end - space - 1));
}

void writeOwner(int descriptor)
{
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0) {
        host[0] = '?';
    }
    const std::string owner = fmt::format("{} {}\n", ::getpid(), host.data());
    // For people only: a full disk must not keep a run from starting.
    if (::ftruncate(descriptor, 0) == 0) {
        [[maybe_unused]] const ssize_t count = ::pwrite(descriptor, owner.data(), owner.size(), 0);
    }
}

} // namespace

RunLock::RunLock(const RunDirectory& run)
    : m_descriptor(::open(lockFile(run).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666))
{
    const int code = m_descriptor < 0 ? errno : lockExclusively(m_descriptor);
    if (code == EWOULDBLOCK) {
        const std::string owner = ownerOf(m_descriptor);
        ::close(m_descriptor);
        throw DataError(fmt::format("{} is being run by {}", run.path().string(), owner),
                        "Wait for it, or stop it first.");
    }
    if (code != 0) {
        if (m_descriptor >= 0) {
            ::close(m_descriptor);
        }
        throw DataError(fmt::format("Cannot lock {}: {}", lockFile(run).string(),
                                    std::system_category().message(code)),
                        "Use a folder on a file system that can be written and knows locks.");
    }
    writeOwner(m_descriptor);
    // Requests that an earlier owner did not live to take are not meant for this one.
    run.takeControl();
}

RunLock::~RunLock()
{
    ::close(m_descriptor);
}

bool RunLock::isHeld(const RunDirectory& run)
{
    const int descriptor = ::open(lockFile(run).c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return false;
    }
    const bool held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(descriptor);
    return held;
}

} // namespace longlora
