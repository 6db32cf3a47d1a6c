// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace longlora {

/// The documented exit statuses of every program of this project.
enum class ExitStatus : int {
    Done = 0,
    Usage = 2,       ///< wrong usage or configuration
    Data = 3,        ///< unreadable or inconsistent data, model or format
    Device = 4,      ///< no memory, no such GPU, driver
    Stopped = 5,     ///< stopped on request, checkpoint written
    Distributed = 6, ///< a rank or the network failed
    Bug = 70,        ///< our own fault
};

/// Base of everything this project throws: what failed, and what the user can do about it.
/// `message` names the thing, its value and the limit; `hint` names the remedy.
class Error : public std::runtime_error {
public:
    Error(ExitStatus status, const std::string& message, std::string hint = {});

    ExitStatus exitStatus() const noexcept { return m_status; }
    const std::string& hint() const noexcept { return m_hint; }
    /// Innermost first, e.g. "while reading model-00002-of-00003.safetensors".
    const std::vector<std::string>& context() const noexcept { return m_context; }

    /// Adds meaning on the way up: `catch (Error& e) { e.addContext("while ..."); throw; }`.
    void addContext(std::string where);

    /// The whole story on one line: message, context, hint.
    std::string describe() const;

private:
    ExitStatus m_status;
    std::string m_hint;
    std::vector<std::string> m_context;
};

/// The configuration or the command line cannot be meant. Exit status 2.
class ConfigError : public Error {
public:
    explicit ConfigError(const std::string& message, std::string hint = {});
};

/// A file is not what its format demands. Exit status 3. The message starts with the file's name.
class FormatError : public Error {
public:
    /// `where`: byte offset, line or key inside `file`; may be empty.
    FormatError(const std::string& file, const std::string& where, const std::string& what,
                std::string hint = {});
};

/// Data can be read but not used (empty, not UTF-8, too short, unreadable file). Exit status 3.
class DataError : public Error {
public:
    explicit DataError(const std::string& message, std::string hint = {});
};

/// The device refuses: out of memory, absent, lost. Exit status 4.
class DeviceError : public Error {
public:
    explicit DeviceError(const std::string& message, std::string hint = {});
};

} // namespace longlora
