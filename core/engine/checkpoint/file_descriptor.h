// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace longlora {

/// Owns an open file. -1: none.
class FileDescriptor {
public:
    explicit FileDescriptor(int value = -1)
        : m_value(value)
    {}
    ~FileDescriptor() { close(); }
    FileDescriptor(FileDescriptor&& other) noexcept
        : m_value(std::exchange(other.m_value, -1))
    {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept
    {
        std::swap(m_value, other.m_value);
        return *this;
    }

    /// open(2) that is not disturbed by signals; get() is -1 and errno set if it failed.
    static FileDescriptor open(const std::filesystem::path& file, int flags, unsigned mode = 0)
    {
        int value = -1;
        do {
            value = ::open(file.c_str(), flags | O_CLOEXEC, mode);
        } while (value < 0 && errno == EINTR);
        return FileDescriptor(value);
    }

    int get() const noexcept { return m_value; }
    /// 0, or -1 with errno set. Nothing to do if there is no file.
    int close() noexcept
    {
        const int value = std::exchange(m_value, -1);
        return value < 0 ? 0 : ::close(value);
    }

private:
    int m_value;
};

} // namespace longlora
